// Plugins > DLSIM > DLSIM Prepare Dataset of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_prepare.ijm");
