#@ File (label="The program dlsim of your Python (Windows: dlsim.exe)", required=false) dlsim
#@ Boolean (label="Forget it: take what the installation wrote", value=false) forget

// Plugins > DLSIM > DLSIM Set Command in Fiji. The work is done by macros/DLSIM/dlsim_set_command.ijm.

arguments = "dlsim=" + quoted(dlsim) + " forget=" + forget;
return runMacro("DLSIM/dlsim_set_command.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
