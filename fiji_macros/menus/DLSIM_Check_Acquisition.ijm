// Plugins > DLSIM > DLSIM Check Acquisition of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_check.ijm");
