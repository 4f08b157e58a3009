// Plugins > DLSIM > DLSIM SRRF of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_srrf.ijm");
