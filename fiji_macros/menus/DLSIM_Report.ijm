// Plugins > DLSIM > DLSIM Report of an ImageJ without #@ parameters: the dialog is the core's own.
return runMacro("DLSIM/dlsim_report.ijm");
