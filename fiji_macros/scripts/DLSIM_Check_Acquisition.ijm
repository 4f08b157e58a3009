#@ File (label="Raw stack (leave empty: the open image)", required=false, persist=false) input
#@ Double (label="Pixel of the frames in um (0: as the file tells)", value=0, stepSize=0.001, persist=false) pixel_size
#@ Double (label="Numerical aperture", value=1.49, stepSize=0.01, persist=false) na
#@ Double (label="Emission in nm", value=525, persist=false) emission_nm
#@ String (label="Layout (leave empty: find it)", value="", required=false, persist=false) layout
#@ Boolean (label="Sort the frames if they are in another order", value=false, persist=false) fix_order
#@ File (label="Folder for the sorted stack (leave empty: show only)", style="directory", required=false, persist=false) output

// Plugins > DLSIM > DLSIM Check Acquisition in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_check.ijm.

arguments = "input=" + quoted(input) + " pixel_size=" + d2s(pixel_size, 6) + " na=" + d2s(na, 6)
    + " emission_nm=" + d2s(emission_nm, 4) + " layout=" + quoted(layout) + " fix_order=" + fix_order
    + " output=" + quoted(output);
runMacro("DLSIM/dlsim_check.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
