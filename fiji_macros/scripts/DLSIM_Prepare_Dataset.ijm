#@ File (label="Raw fields of view", style="directory", persist=false) input
#@ File (label="Folder of the dataset", style="save", persist=false) output
#@ String (label="Layout", choices={"auto", "seed-sim", "seed-srrf", "stacks"}, value="auto", persist=false) layout
#@ Integer (label="Tile in px of the truth (0: the layout's own)", value=0, min=0, persist=false) tile
#@ Boolean (label="Also the original's folders and names", value=false, persist=false) seed_layout
#@ Boolean (label="Replace a dataset of that name", value=false, persist=false) overwrite

// Plugins > DLSIM > DLSIM Prepare Dataset in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_prepare.ijm.

arguments = "input=" + quoted(input) + " output=" + quoted(output) + " layout=" + layout
    + " tile=" + tile + " seed_layout=" + seed_layout + " overwrite=" + overwrite;
runMacro("DLSIM/dlsim_prepare.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
