#@ String (label="Reference: path or title of an open image") reference
#@ String (label="Super-resolved image: path or title") image
#@ String (label="Numbers", choices={"exact", "compat"}, value="exact") mode
#@ Boolean (label="Show the error map", value=true) map
#@ File (label="Folder for the maps (leave empty: show only)", style="directory", required=false) output
#@ Double (label="Known blur in um (0: find it)", value=0, stepSize=0.001) sigma_um
#@ Boolean (label="Replace maps of that name", value=false) overwrite

// Plugins > DLSIM > DLSIM RSP and RSE in Fiji. The work is done by macros/DLSIM/dlsim_squirrel.ijm.

arguments = "reference=" + quoted(reference) + " image=" + quoted(image) + " mode=" + mode
    + " map=" + map + " output=" + quoted(output) + " sigma_um=" + d2s(sigma_um, 6)
    + " overwrite=" + overwrite;
return runMacro("DLSIM/dlsim_squirrel.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
