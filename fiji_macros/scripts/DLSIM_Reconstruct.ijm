#@ File (label="Raw stack (leave empty: the open image)", required=false, persist=false) input
#@ File (label="Results folder (leave empty: show only)", style="directory", required=false, persist=false) output
#@ String (label="Model", choices={"sim15", "sim3", "lowlight"}, value="sim15", persist=false) model
#@ Double (label="Pixel of the frames in um (0: as the file tells)", value=0, stepSize=0.001, persist=false) pixel_size
#@ Double (label="Numerical aperture", value=1.49, stepSize=0.01, persist=false) na
#@ Double (label="Emission in nm", value=525, persist=false) emission_nm
#@ Boolean (label="Measure resolution, RSP and RSE", value=true, persist=false) measure
#@ String (label="Open (sr, widefield, wiener, uncertainty, error)", value="sr", persist=false) show
#@ Boolean (label="Replace results of that name", value=false, persist=false) overwrite

// Plugins > DLSIM > DLSIM Reconstruct in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_reconstruct.ijm.

arguments = "input=" + quoted(input) + " output=" + quoted(output) + " model=" + model
    + " pixel_size=" + d2s(pixel_size, 6) + " na=" + d2s(na, 6) + " emission_nm=" + d2s(emission_nm, 4)
    + " measure=" + measure + " show=" + quoted(show) + " overwrite=" + overwrite;
runMacro("DLSIM/dlsim_reconstruct.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
