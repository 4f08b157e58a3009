// Super-resolution of a raw SIM stack with dlsim (15 frames: all phases of the first angle first).
//
//   runMacro("dlsim_run.ijm", "input=[/data/my stack.tif] output=[/data/results] pixel_size=0.06");
//
// Without input= the open image is used; without any argument a dialog asks. `dlsim` is taken from the search
// path, or from dlsim=[/path/to/dlsim]. Works in any ImageJ. The result opens, and its path is returned.

function value(text, key, instead) {
    start = indexOf(" " + text, " " + key + "=");
    if (start < 0)
        return instead;
    rest = substring(text, start + lengthOf(key) + 1);
    if (startsWith(rest, "["))
        return substring(rest, 1, indexOf(rest, "]"));
    return substring(rest, 0, indexOf(rest + " ", " "));
}

argument = getArgument();
program = value(argument, "dlsim", "dlsim");
output = value(argument, "output", getDirectory("home") + "dlsim_results");
if (argument == "") {
    Dialog.create("dlsim: super-resolution");
    Dialog.addString("Raw stack (empty: the open image)", "", 40);
    Dialog.addString("Results folder", output, 40);
    Dialog.addNumber("Pixel of the frames (0: as the file tells)", 0, 4, 8, "um");
    Dialog.show();
    input = Dialog.getString();
    output = Dialog.getString();
    pixelSize = Dialog.getNumber();
} else {
    input = value(argument, "input", "");
    pixelSize = parseFloat(value(argument, "pixel_size", "0"));
}

// The open image goes over as a file of its name; a copy is saved, so that the image keeps its own place.
folder = "";
if (input == "") {
    if (nImages == 0)
        exit("dlsim: open a raw stack first, or give input=[path]");
    folder = getDirectory("temp") + "dlsim_" + getTime() + File.separator;
    File.makeDirectory(folder);
    input = folder + replace(replace(getTitle(), "\\.tiff?$", ""), "[^A-Za-z0-9_.-]", "_") + ".tif";
    run("Duplicate...", "title=dlsim duplicate");
    saveAs("Tiff", input);
    close();
}

// exec() hands the words over as they are, without a shell: spaces and quotes are safe. It hands back stdout,
// which is one line of JSON, or nothing when dlsim refused. Measures need no Java of its own: --engine none.
if (pixelSize > 0)
    answer = exec(program, "run", input, "-o", output, "--overwrite", "--json", "--quiet", "--engine", "none", "--pixel-size", "" + pixelSize);
else
    answer = exec(program, "run", input, "-o", output, "--overwrite", "--json", "--quiet", "--engine", "none");
if (folder != "") {
    deleted = File.delete(input);
    deleted = File.delete(folder);
}
if (startsWith(answer, "Cannot run"))
    exit("'" + program + "' was not found. Install dlsim, or give its place: dlsim=[/path/to/dlsim]");
start = indexOf(answer, "\"sr\": \"");
if (start < 0)
    exit("dlsim could not use " + input + ". To see why, run in a terminal: " + program + " run \"" + input + "\" -o \"" + output + "\"");
rest = substring(answer, start + 7);
result = replace(substring(rest, 0, indexOf(rest, "\"")), "\\\\\\\\", "\\\\");
open(result);
return result;
