// Plugins > DLSIM > DLSIM Batch of plain ImageJ: the dialog is the core's own.
return runMacro("DLSIM/dlsim_batch.ijm");
