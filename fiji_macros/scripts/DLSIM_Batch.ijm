#@ File (label="Folder of raw stacks", style="directory", persist=false) input
#@ File (label="Results folder", style="directory", persist=false) output
#@ String (label="Model", choices={"sim15", "sim3", "lowlight"}, value="sim15", persist=false) model
#@ Double (label="Pixel of the frames in um (0: as the files tell)", value=0, stepSize=0.001, persist=false) pixel_size
#@ Double (label="Numerical aperture", value=1.49, stepSize=0.01, persist=false) na
#@ Double (label="Emission in nm", value=525, persist=false) emission_nm
#@ Boolean (label="Measure resolution, RSP and RSE", value=true, persist=false) measure
#@ Boolean (label="Replace results of that name", value=false, persist=false) overwrite
#@ Boolean (label="Open the report in the browser", value=false, persist=false) open_report

// Plugins > DLSIM > DLSIM Batch in Fiji. Nothing is remembered (persist=false): a macro line that leaves a
// key out would get the value of the run before. The work is done by macros/DLSIM/dlsim_batch.ijm.

arguments = "input=" + quoted(input) + " output=" + quoted(output) + " model=" + model
    + " pixel_size=" + d2s(pixel_size, 6) + " na=" + d2s(na, 6) + " emission_nm=" + d2s(emission_nm, 4)
    + " measure=" + measure + " overwrite=" + overwrite + " open_report=" + open_report;
runMacro("DLSIM/dlsim_batch.ijm", arguments);

// An empty field of Fiji's dialog has no value at all, which reads as 0.
function quoted(text) {
    text = "" + text;
    if (text == "0")
        return "[]";
    if (indexOf(text, "] ") >= 0)
        return "\"" + text + "\"";
    return "[" + text + "]";
}
