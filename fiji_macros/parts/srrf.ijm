// DLSIM SRRF: a super-resolved image from the blinking in a time series.
//
//   runMacro("DLSIM/dlsim_srrf.ijm", "input=[/data/blinking.tif] output=[/data/results] method=esrrf");
//
// Without argument a dialog asks. Returns the path of the image, or its title if it was only shown.
//   input       time series; empty: the open image
//   output      results folder; empty: show only
//   method      srrf, esrrf, or a network for blinking frames (srrf5, where 'dlsim models' lists it)
//   mode        over time: TRM, TRA, TRPPM, TRAC2-4; esrrf: AVG, VAR, TAC2; auto: TRA or AVG
//   magnification, radius (raw pixels; 0: the method's own)
//   frames_per_image            frames of one image of a time series; 0: all of them
//   drift       correct it by correlation
//   pixel_size  of the frames in um; 0: as the file tells
//   overwrite   replace results of that name

known = newArray("input", "", "output", "", "method", "srrf", "mode", "auto", "magnification", "5",
    "radius", "0", "frames_per_image", "0", "drift", "false", "pixel_size", "0", "overwrite", "false");
if (!begin("srrf", known)) {
    // networks for blinking frames are offered when this dlsim has one
    methods = newArray("srrf: radial fluctuations", "esrrf: faster, weights by convergence");
    words = newArray("models");
    callDlsim();
    for (n = 1; n <= parseInt("0" + result(1, "models.count")); n++)
        if ("srrf-channels" == result(1, "models." + n + ".input.kind"))
            methods = Array.concat(methods, result(1, "models." + n + ".name") + ": network, five frames an image");
    words = newArray(0);
    cleanUp();
    startDialog("DLSIM SRRF");
    Dialog.addMessage("Frames of a blinking sample, one after the other.");
    askFile("Time series (empty: the open image)", "input");
    askFolder("Results folder (empty: show only)", "output");
    askChoice("Method", "method", methods);
    askChoice("Over time", "mode", newArray("auto: TRA, esrrf AVG", "TRM", "TRA", "TRPPM", "TRAC2", "TRAC3",
        "TRAC4", "AVG: esrrf", "VAR: esrrf", "TAC2: esrrf"));
    askNumber("Magnification", "magnification", 0, "x");
    askNumber("Ring radius (0: the method's own)", "radius", 2, "px");
    askNumber("Frames of one image (0: all)", "frames_per_image", 0, "");
    askNumber("Pixel of the frames (0: as the file tells)", "pixel_size", 4, "um");
    askSwitch("Correct drift", "drift");
    askSwitch("Replace results of that name", "overwrite");
    endDialog(newArray("input", "text", "output", "text", "method", "choice", "mode", "choice",
        "magnification", "number", "radius", "number", "frames_per_image", "number", "pixel_size", "number",
        "drift", "switch", "overwrite", "switch"));
}

input = pathOf(value("input"));
method = value("method");
if (method == "srrf" || method == "esrrf") {
    addWord("srrf");
    addWord(input);
    addOption("--method", "method");
    if ("auto" != value("mode"))
        addOption("--mode", "mode");
    addNumeric("--magnification", "magnification");
    addNumeric("--radius", "radius");
    addNumeric("--frames-per-time-point", "frames_per_image");
    if (isOn("drift")) {
        addWord("--drift");
        addWord("auto");
    }
} else {
    addWord("predict");
    addWord(input);
    addOption("--model", "method");
}
addWord("-o");
addWord(resultsFolder());
addNumeric("--pixel-size", "pixel_size");
addSwitch("--overwrite", "overwrite");
callDlsim();

answer = "";
for (n = 1; n <= resultCount(); n++) {
    path = result(n, "output");
    name = File.getName(path);
    row = newRow(name);
    cell(row, "Method", method);
    cell(row, "Mode", result(n, "parameters.mode"));
    cell(row, "Magnification", result(n, "parameters.magnification"));
    cell(row, "Seconds", result(n, "seconds"));
    tellWarnings(n, name);
    openResult(path, "Grays");
    answer = path;
    if ("" == value("output"))
        answer = name;
}
updateResults();
cleanUp();
return answer;
