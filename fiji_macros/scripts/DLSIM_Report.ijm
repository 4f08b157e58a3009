#@ File (label="Results folder", style="directory", persist=false) folder
#@ Boolean (label="Open it in the browser", value=true, persist=false) open_report

// Plugins > DLSIM > DLSIM Report in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_report.ijm.

arguments = "folder=" + quoted(folder) + " open_report=" + open_report;
runMacro("DLSIM/dlsim_report.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
