#@ File (label="The program dlsim of your Python (Windows: dlsim.exe)", required=false, persist=false) dlsim
#@ Boolean (label="Forget it: take what the installation wrote", value=false, persist=false) forget

// Plugins > DLSIM > DLSIM Set Command in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_set_command.ijm.

arguments = "dlsim=" + quoted(dlsim) + " forget=" + forget;
runMacro("DLSIM/dlsim_set_command.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
