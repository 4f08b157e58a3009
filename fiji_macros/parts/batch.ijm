// DLSIM Batch: every raw stack of a folder, with one report over all.
//
//   runMacro("DLSIM/dlsim_batch.ijm", "input=[/data/raw stacks] output=[/data/results] model=sim15");
//
// Without argument a dialog asks. Fills the results table, one row per stack; a stack that fails is named in
// it and in the Log, and the others go on. Returns the path of report.html.
//   input       folder of raw stacks; sub-folders are mirrored
//   output      results folder
//   model, target, pixel_size, na, emission_nm, layout, measure, overwrite, force    as in DLSIM Reconstruct
//   open_report open the report in the browser

known = newArray("input", "", "output", "", "model", "sim15", "target", "", "pixel_size", "0", "na", "1.49",
    "emission_nm", "525", "layout", "3x5", "measure", "true", "overwrite", "false", "force", "false",
    "open_report", "false");
if (!begin("batch", known)) {
    startDialog("DLSIM Batch");
    askFolder("Folder of raw stacks", "input");
    askFolder("Results folder", "output");
    askChoice("Model", "model", newArray("sim15: 15 frames, any light", "sim3: one frame of each angle",
        "lowlight: 15 frames, a few photons per pixel"));
    askNumber("Pixel of the frames (0: as the files tell)", "pixel_size", 4, "um");
    askNumber("Numerical aperture", "na", 2, "");
    askNumber("Emission", "emission_nm", 0, "nm");
    askSwitch("Measure resolution, RSP and RSE", "measure");
    askSwitch("Replace results of that name", "overwrite");
    askSwitch("Open the report in the browser", "open_report");
    endDialog(newArray("input", "text", "output", "text", "model", "choice", "pixel_size", "number",
        "na", "number", "emission_nm", "number", "measure", "switch", "overwrite", "switch", "open_report", "switch"));
}

if ("" == value("input"))
    fail("there is no folder of raw stacks", "input=[folder]");
if ("" == value("output"))
    fail("the results need a folder", "output=[folder]");
addWord("run");
addWord(withoutSlash(value("input")));
addWord("-o");
addWord(withoutSlash(value("output")));
addWord("--engine");
addWord("none");                // measures need no second Java
addOption("--model", "model");
addOption("--target", "target");
addNumeric("--pixel-size", "pixel_size");
addNumeric("--na", "na");
addNumeric("--emission-nm", "emission_nm");
addOption("--layout", "layout");
if (!isOn("measure"))
    addWord("--no-measures");
addSwitch("--overwrite", "overwrite");
addSwitch("--force", "force");
callDlsim();

for (n = 1; n <= resultCount(); n++) {
    name = File.getName(result(n, "input"));
    row = newRow(name);
    cell(row, "Status", "done");
    cell(row, "Resolution_nm", result(n, "metrics.resolution_nm"));
    cell(row, "RSP", result(n, "metrics.rsp"));
    cell(row, "RSE", result(n, "metrics.rse"));
    cell(row, "Uncertainty_percent", result(n, "metrics.uncertainty_percent"));
    cell(row, "Output", result(n, "outputs.sr"));
    tellWarnings(n, name);
}
for (n = 1; n <= parseInt(List.get("failed.count")); n++) {
    row = newRow("failed " + n);
    cell(row, "Status", List.get("failed." + n + ".message"));
}
updateResults();
path = result(1, "outputs.report");
if (isOn("open_report"))
    run("URL...", "url=[" + fileUrl(path) + "]");
cleanUp();
return path;
