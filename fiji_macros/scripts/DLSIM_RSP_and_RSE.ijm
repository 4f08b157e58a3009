#@ String (label="Reference: path or title of an open image", persist=false) reference
#@ String (label="Super-resolved image: path or title", persist=false) image
#@ String (label="Numbers", choices={"exact", "compat"}, value="exact", persist=false) mode
#@ Boolean (label="Show the error map", value=true, persist=false) map
#@ File (label="Folder for the maps (leave empty: show only)", style="directory", required=false, persist=false) output
#@ Double (label="Known blur in um (0: find it)", value=0, stepSize=0.001, persist=false) sigma_um
#@ Boolean (label="Replace maps of that name", value=false, persist=false) overwrite

// Plugins > DLSIM > DLSIM RSP and RSE in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_squirrel.ijm.

arguments = "reference=" + quoted(reference) + " image=" + quoted(image) + " mode=" + mode
    + " map=" + map + " output=" + quoted(output) + " sigma_um=" + d2s(sigma_um, 6)
    + " overwrite=" + overwrite;
runMacro("DLSIM/dlsim_squirrel.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
