// Plugins > DLSIM > DLSIM Check Acquisition of an ImageJ without #@ parameters: the dialog is the core's own.
return runMacro("DLSIM/dlsim_check.ijm");
