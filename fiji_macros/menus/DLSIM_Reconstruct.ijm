// Plugins > DLSIM > DLSIM Reconstruct of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_reconstruct.ijm");
