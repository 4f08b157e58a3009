// DLSIM Report: the report of a results folder, built again and opened in the browser.
//
//   path = runMacro("DLSIM/dlsim_report.ijm", "folder=[/data/results] open_report=false");
//
// Without argument a dialog asks. Returns the path of report.html.
//   folder      what DLSIM Reconstruct or DLSIM Batch wrote
//   open_report open it in the browser

known = newArray("folder", "", "open_report", "true");
if (!begin("report", known)) {
    startDialog("DLSIM Report");
    askFolder("Results folder", "folder");
    askSwitch("Open it in the browser", "open_report");
    endDialog(newArray("folder", "text", "open_report", "switch"));
}

if ("" == value("folder"))
    fail("there is no results folder", "folder=[path]");
addWord("report");
addWord(withoutSlash(value("folder")));
callDlsim();

path = result(1, "report");
if (isOn("open_report"))
    run("URL...", "url=[" + fileUrl(path) + "]");
cleanUp();
return path;

// ---------------------------------------------------------------------------------------------------------
// The same in every dlsim macro (the language knows no include): written by fiji_macros/build.py from
// fiji_macros/parts/common.ijm. Change it there.

var macroName = "";             // reconstruct, srrf ...
var keys = newArray(0);         // what may stand in the argument ...
var values = newArray(0);       // ... and what does, or the default
var defaults = newArray(0);
var words = newArray(0);        // the command line of dlsim
var temporary = "";             // our folder of temporary files, removed at the end and before any exit
var asked = false;              // a dialog was shown

// ---- settings: "key=value key=[value with spaces] switch" ----

// To be called first. `known` is an array of key, default, key, default ...
// Returns true if there was an argument, false if a dialog has to ask.
function begin(name, known) {
    macroName = name;
    known = Array.concat(known, newArray("dlsim", ""));
    for (i = 0; i < known.length; i += 2) {
        keys = Array.concat(keys, known[i]);
        values = Array.concat(values, known[i + 1]);
        defaults = Array.concat(defaults, known[i + 1]);
    }
    argument = getArgument();
    if (argument == "")             // run("DLSIM ...", "key=value") in plain ImageJ
        argument = "" + call("ij.Macro.getOptions");
    if (argument == "null")
        argument = "";
    argument = strip(argument);
    if (argument != "") {
        readPairs(argument);
        return true;
    }
    for (i = 0; i < keys.length; i++)
        values[i] = call("ij.Prefs.get", preference(keys[i]), values[i]);
    asked = true;
    return false;
}

function preference(key) {
    return "dlsim." + macroName + "." + key;
}

function readPairs(text) {
    rest = strip(text);
    while (rest != "") {
        space = indexOf(rest + " ", " ");
        equals = indexOf(rest, "=");
        if (equals < 0 || equals > space) {     // a switch
            setValue_(substring(rest, 0, space), "true");
            rest = strip(substring(rest + " ", space));
        } else {
            key = substring(rest, 0, equals);
            rest = substring(rest, equals + 1) + " ";
            closing = "";
            if (startsWith(rest, "["))
                closing = "]";
            if (startsWith(rest, "\"") || startsWith(rest, "'"))
                closing = substring(rest, 0, 1);
            if (closing == "") {
                end = indexOf(rest, " ");
                setValue_(key, substring(rest, 0, end));
            } else {
                end = indexOf(rest, closing + " ", 1);
                if (end < 0)
                    fail("the value of " + key + "= is not closed by " + closing, "key=[value with spaces]");
                setValue_(key, substring(rest, 1, end));
                end++;
            }
            rest = strip(substring(rest, end));
        }
    }
}

function setValue_(key, text) {
    for (i = 0; i < keys.length; i++) {
        if (keys[i] == key) {
            values[i] = text;
            return;
        }
    }
    list = keys[0];
    for (i = 1; i < keys.length; i++)
        list = list + ", " + keys[i];
    fail("the macro " + macroName + " knows no " + key + "=", "it knows " + list);
}

function value(key) {
    for (i = 0; i < keys.length; i++)
        if (keys[i] == key)
            return values[i];
    exit("bug of the macro: value " + key);
}

function isOn(key) {
    text = value(key);
    if (text == "true" || text == "1" || text == "yes" || text == "on")
        return true;
    return false;
}

function strip(text) {
    while (startsWith(text, " "))
        text = substring(text, 1);
    while (endsWith(text, " "))
        text = substring(text, 0, lengthOf(text) - 1);
    return text;
}

// ---- the dialog: values are remembered, and the recorder gets a line that runs again ----

function startDialog(title) {
    // the Recorder would write the dialog's labels; endDialog gives it the line that runs without dialog
    if (!is("Batch Mode"))
        call("ij.plugin.frame.Recorder.disableCommandRecording");
    Dialog.create(title);
}

function askText(label, key, columns) {
    Dialog.addString(label, value(key), columns);
}

function askFile(label, key) {
    Dialog.addFile(label, value(key));
}

function askFolder(label, key) {
    Dialog.addDirectory(label, value(key));
}

function askNumber(label, key, digits, unit) {
    Dialog.addNumber(label, parseFloat(value(key)), digits, 8, unit);
}

function askSwitch(label, key) {
    Dialog.addCheckbox(label, isOn(key));
}

// Each choice is "value: what it is".
function askChoice(label, key, choices) {
    chosen = choices[0];
    for (i = 0; i < choices.length; i++)
        if (choices[i] == value(key) || startsWith(choices[i], value(key) + ":"))
            chosen = choices[i];
    Dialog.addChoice(label, choices, chosen);
}

// `answers` is an array of key, kind, key, kind ... in the order of the dialog.
function endDialog(answers) {
    Dialog.addHelp("<html><h3>DLSIM " + macroName + "</h3><p>The same without a dialog:<br><code>runMacro(\""
        + placeOfMacro() + "\",<br>\"key=value key=[value with spaces]\")</code></p><p>Keys: "
        + joined(keys, ", ") + "</p></html>");
    Dialog.show();
    for (k = 0; k < answers.length; k += 2) {
        if (answers[k + 1] == "text")
            setValue_(answers[k], strip(Dialog.getString()));
        else if (answers[k + 1] == "number")
            setValue_(answers[k], plainNumber(Dialog.getNumber()));
        else if (answers[k + 1] == "choice") {
            choice = Dialog.getChoice();
            setValue_(answers[k], substring(choice, 0, indexOf(choice + ":", ":")));
        } else if (answers[k + 1] == "title")
            setValue_(answers[k], Dialog.getChoice());
        else if (Dialog.getCheckbox())
            setValue_(answers[k], "true");
        else
            setValue_(answers[k], "false");
        // an old path would hide the open image, an old "yes" would overwrite
        if (answers[k] != "input" && answers[k] != "overwrite")
            call("ij.Prefs.set", preference(answers[k]), value(answers[k]));
    }
    call("ij.Prefs.savePreferences");
    recordCall();
}

function recordCall() {
    line = "";
    for (i = 0; i < keys.length; i++)
        if (values[i] != defaults[i])
            line = line + " " + keys[i] + "=" + bracketed(values[i]);
    if (line == "")     // without any argument the dialog would come again
        line = keys[0] + "=" + bracketed(values[0]);
    line = "" + literal(placeOfMacro()) + ", " + literal(strip(line)) + ");\n";
    if (call("ij.plugin.frame.Recorder.scriptMode") == "true")
        line = "IJ.runMacroFile(" + line;
    else
        line = "runMacro(" + line;
    call("ij.plugin.frame.Recorder.recordString", line);
}

// What runMacro finds: the name in ImageJ's macros folder, or the path of this file.
function placeOfMacro() {
    name = "DLSIM/dlsim_" + macroName + ".ijm";
    folder = folderOf("macros");
    if (folder != "" && File.exists(folder + name))
        return name;
    return getInfo("macro.filepath");
}

function bracketed(text) {
    if (text != "" && indexOf(text, " ") < 0 && !startsWith(text, "[") && !startsWith(text, "\"")
        && !startsWith(text, "'"))
        return text;
    if (indexOf(text, "] ") < 0)
        return "[" + text + "]";
    if (indexOf(text, "\" ") < 0)
        return "\"" + text + "\"";
    return "'" + text + "'";
}

function plainNumber(number) {
    text = d2s(number, 6);
    while (indexOf(text, ".") >= 0 && (endsWith(text, "0") || endsWith(text, ".")))
        text = substring(text, 0, lengthOf(text) - 1);
    return text;
}

// ---- images and files ----

function folderOf(what) {
    path = "" + getDirectory(what);
    if (path == "null" || path == "") {     // -batch: ImageJ looks for its folders when a command is wanted
        commands = call("ij.Menus.getCommands");
        path = "" + getDirectory(what);
    }
    if (path == "null")
        return "";
    if (path != "" && !endsWith(path, "/") && !endsWith(path, "\\"))
        path = path + File.separator;
    return path;
}

function temporaryFolder() {
    if (temporary == "") {
        do {
            path = "" + folderOf("temp") + "dlsim_" + d2s(getTime(), 0) + "_" + d2s(floor(1e6 * random), 0);
        } while (File.exists(path));
        File.makeDirectory(path);
        if (!File.isDirectory(path))
            fail("cannot make the folder " + path, "is there space for temporary files?");
        temporary = path + File.separator;
    }
    return temporary;
}

// A path as it is, or the open image (empty: the one in front) saved as a temporary file of its name.
function pathOf(text) {
    if (text != "" && !isOpen(text))
        return text;
    if (text == "" && nImages == 0)
        fail("no image is open", "open a raw stack first, or give its path: input=[path]");
    before = 0;
    if (text != "") {
        before = getImageID();
        selectWindow(text);
    }
    path = saveOpenImage();
    if (text != "")
        selectImage(before);
    return path;
}

function saveOpenImage() {
    original = getImageID();
    name = replace(getTitle(), "\\.[tT][iI][fF]+$", "");
    name = strip(replace(name, "[\\\\/:*?\"<>|\\p{Cntrl}]", "_"));
    if (name == "" || startsWith(name, "."))
        name = "image" + name;
    folder = "" + temporaryFolder() + "in" + File.separator;
    File.makeDirectory(folder);
    path = folder + name + ".tif";
    for (n = 2; File.exists(path); n++)
        path = folder + name + "_" + n + ".tif";
    hidden = is("Batch Mode");
    if (!hidden)
        setBatchMode(true);
    selected = selectionType() >= 0;
    if (selected)
        run("Select None");         // a duplicate would end at the selection
    run("Duplicate...", "title=dlsim_copy duplicate");
    saveAs("Tiff", path);
    close();
    selectImage(original);
    if (selected)
        run("Restore Selection");
    if (!hidden)
        setBatchMode(false);
    if (!File.exists(path))
        fail("the image could not be saved as " + path, "is there space for temporary files?");
    return path;
}

// The folder for results: as given, or a temporary one if they shall only be shown.
function resultsFolder() {
    if ("" != value("output"))
        return "" + withoutSlash(value("output"));
    return "" + temporaryFolder() + "out";
}

// A backslash before the closing quote of a Windows command line would escape it.
function withoutSlash(path) {
    while (lengthOf(path) > 1 && (endsWith(path, "/") || endsWith(path, "\\")) && !endsWith(path, ":\\"))
        path = substring(path, 0, lengthOf(path) - 1);
    return path;
}

function openResult(path, lut) {
    open(path);
    if (lut != "")
        run(lut);
    run("Enhance Contrast", "saturated=0.2");
    if ("" == value("output"))      // its file goes with the temporary folder
        setMetadata("Info", getMetadata("Info"));
}

// For the browser: any sign but plain ones by its number in UTF-8.
function fileUrl(path) {
    path = replace(path, "\\\\", "/");
    if (!startsWith(path, "/"))
        path = "/" + path;
    url = call("java.net.URLEncoder.encode", path, "UTF-8");
    url = replace(url, "\\+", "%20");
    return "file://" + replace(url, "%2F", "/");
}

function cleanUp() {
    if (temporary != "")
        deleteFolder(temporary);
    temporary = "";
}

function deleteFolder(folder) {
    names = getFileList(folder);
    for (i = 0; i < names.length; i++) {
        if (endsWith(names[i], "/"))
            deleteFolder(folder + replace(names[i], "/", File.separator));
        else
            gone = File.delete(folder + names[i]);
    }
    gone = File.delete(folder);
}

function fail(message, hint) {
    cleanUp();
    if (hint != "")
        message = message + "\nHint: " + hint;
    exit("dlsim: " + message);
}

function joined(list, between) {
    text = "";
    for (i = 0; i < list.length; i++) {
        if (i > 0)
            text = text + between;
        text = text + list[i];
    }
    return text;
}

// ---- calling dlsim ----

function addWord(word) {
    words = Array.concat(words, word);
}

function addOption(option, key) {
    if ("" != value(key))
        words = Array.concat(words, option, "" + value(key));
}

function addNumeric(option, key) {       // 0: not given
    if ("" != value(key) && parseFloat(value(key)) != 0)
        words = Array.concat(words, option, "" + value(key));
}

function addSwitch(option, key) {
    if (isOn(key))
        words = Array.concat(words, option);
}

// The words of the command: dlsim=[path], what "DLSIM Set Command" keeps, what the installation wrote, or
// the search path.
function command() {
    if ("" != value("dlsim"))
        return newArray("" + value("dlsim"), "");
    kept = call("ij.Prefs.get", "dlsim.command", "");
    if (kept != "")
        return newArray(kept, "");
    file = "" + folderOf("macros") + "DLSIM/dlsim_command.properties";
    if (!File.exists(file))
        return newArray("dlsim", "");
    List.setList(File.openAsString(file));
    found = newArray(0);
    for (n = 1; List.get("word" + n) != ""; n++)
        found = Array.concat(found, List.get("word" + n));
    return Array.concat(found, "");
}

// Runs dlsim with `words` and leaves its answer in List; whatever went wrong ends the macro.
function callDlsim() {
    answer = "" + temporaryFolder() + "results.json";
    program = command();
    line = Array.concat(Array.trim(program, program.length - 1), words);
    line = Array.concat(line, "--macro", "--macro-results", answer);
    code = "";
    for (i = 0; i < line.length; i++) {
        if (indexOf(line[i], "\n") >= 0 || indexOf(line[i], "\r") >= 0)
            fail("a name with a line break cannot be handed over: " + line[i], "rename it");
        code = code + ", " + literal(line[i]);
    }
    showStatus("dlsim " + words[0] + " ...");
    // exec() takes its words one by one, and the language has no other way to give it a list of them
    said = eval("return exec(" + substring(code, 2) + ");");
    showStatus("");
    file = replace(answer, "\\.json$", ".properties");
    if (!File.exists(file)) {
        if (startsWith(said, "Cannot run program"))
            fail("the command '" + program[0] + "' was not found",
                "install dlsim, and tell where it is: Plugins > DLSIM > DLSIM Set Command, or dlsim=[path]");
        fail("'" + program[0] + "' gave no answer: " + strip(said), "does it run in a terminal: dlsim doctor");
    }
    List.setList(File.openAsString(file));
    if (List.get("status") == "error")
        fail(List.get("message"), List.get("hint"));
    for (n = 1; n <= parseInt(List.get("failed.count")); n++)
        print("dlsim: " + List.get("failed." + n + ".message"));
}

// A word as it stands in a macro, so that nothing in it means anything.
function literal(word) {
    text = "\"";
    for (j = 0; j < lengthOf(word); j++) {
        sign = substring(word, j, j + 1);
        if (sign == "\\" || sign == "\"")
            text = text + "\\";
        text = text + sign;
    }
    return text + "\"";
}

// ---- answers ----

function result(n, key) {
    return List.get("" + n + "." + key);
}

function resultCount() {
    return parseInt(List.get("count"));
}

function tellWarnings(n, name) {
    for (w = 1; w <= parseInt("0" + result(n, "warnings.count")); w++)
        print("dlsim: " + name + ": " + result(n, "warnings." + w));
}

// One cell of the row `row` of the results table; nothing if dlsim had no such number.
function cell(row, column, text) {
    if (text == "")
        return;
    if (isNaN(parseFloat(text)))
        setResult(column, row, text);
    else
        setResult(column, row, parseFloat(text));
}

function newRow(label) {
    row = nResults;
    setResult("Label", row, label);
    return row;
}
