// Plugins > DLSIM > DLSIM Report of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_report.ijm");
