// Plugins > DLSIM > DLSIM Prepare Dataset of an ImageJ without #@ parameters: the dialog is the core's own.
return runMacro("DLSIM/dlsim_prepare.ijm");
