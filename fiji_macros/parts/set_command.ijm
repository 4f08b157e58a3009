// DLSIM Set Command: where the command dlsim is, for all DLSIM macros of this ImageJ.
//
//   runMacro("DLSIM/dlsim_set_command.ijm", "dlsim=[/home/me/dlsim/bin/dlsim]");
//   runMacro("DLSIM/dlsim_set_command.ijm", "forget");        back to what the installation wrote
//
// Without argument a dialog asks. The command is tried first; returns what it says of itself.

known = newArray("forget", "false");
if (!begin("set_command", known)) {
    startDialog("DLSIM Set Command");
    Dialog.addMessage("The program dlsim (Windows: dlsim.exe) of your Python environment.\n"
        + "In a terminal, 'which dlsim' (Windows: 'where dlsim') tells its place.");
    now = command();
    setValue_("dlsim", now[0]);
    askFile("Command", "dlsim");
    askSwitch("Forget it: take what the installation wrote", "forget");
    endDialog(newArray("dlsim", "text", "forget", "switch"));
}

if (isOn("forget")) {
    call("ij.Prefs.set", "dlsim.command", "");
    call("ij.Prefs.savePreferences");
    return "";
}
ending = toLowerCase(value("dlsim"));
if (endsWith(ending, ".bat") || endsWith(ending, ".cmd"))
    fail("a " + substring(ending, lengthOf(ending) - 4) + " file would go through a shell, where names with & are not safe",
        "give dlsim.exe");
addWord("doctor");
addWord("--engine");
addWord("none");
callDlsim();
if ("" != value("dlsim"))
    call("ij.Prefs.set", "dlsim.command", value("dlsim"));
call("ij.Prefs.savePreferences");
now = command();
cleanUp();
if (asked)
    showMessage("DLSIM", "dlsim answers from\n" + now[0]);
return now[0];
