// Plugins > DLSIM > DLSIM Resolution of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_resolution.ijm");
