// DLSIM Check Acquisition: what a raw SIM stack is, and whether it can be reconstructed.
//
//   verdict = runMacro("DLSIM/dlsim_check.ijm", "input=[/data/my cell.tif] pixel_size=0.06");
//
// Without argument a dialog asks. Fills the results table, writes advice to the Log, and returns the verdict:
// fit, fit with warnings, not fit (of several stacks: of the last).
//   input       raw stack or a folder of them; empty: the open image
//   pixel_size  of the frames in um; 0: as the file tells
//   na, emission_nm
//   layout      angles x phases that it must be; empty: found from the pixels
//   model       whether the stack suits this model; none: reconstruction alone
//   fix_order   write a stack in another order sorted, NAME_sorted.tif in output (and open it)
//   output      folder for fix_order; empty: show only
//   overwrite   replace files of that name

known = newArray("input", "", "pixel_size", "0", "na", "1.49", "emission_nm", "525", "layout", "",
    "model", "sim15", "fix_order", "false", "output", "", "overwrite", "false");
if (!begin("check", known)) {
    startDialog("DLSIM Check Acquisition");
    askFile("Raw stack (empty: the open image)", "input");
    askNumber("Pixel of the frames (0: as the file tells)", "pixel_size", 4, "um");
    askNumber("Numerical aperture", "na", 2, "");
    askNumber("Emission", "emission_nm", 0, "nm");
    askText("Layout (empty: find it)", "layout", 8);
    askSwitch("Sort the frames if they are in another order", "fix_order");
    askFolder("Folder for the sorted stack (empty: show only)", "output");
    endDialog(newArray("input", "text", "pixel_size", "number", "na", "number", "emission_nm", "number",
        "layout", "text", "fix_order", "switch", "output", "text"));
}

input = pathOf(value("input"));
addWord("check");
addWord(input);
addNumeric("--pixel-size", "pixel_size");
addNumeric("--na", "na");
addNumeric("--emission-nm", "emission_nm");
addOption("--layout", "layout");
addOption("--model", "model");
if (isOn("fix_order")) {
    addWord("--fix-order");
    addWord("-o");
    addWord(resultsFolder());
    addSwitch("--overwrite", "overwrite");
}
callDlsim();

verdict = "";
for (n = 1; n <= resultCount(); n++) {
    verdict = result(n, "verdict");
    name = File.getName(result(n, "input"));
    row = newRow(name);
    cell(row, "Verdict", verdict);
    cell(row, "Order", result(n, "order"));
    cell(row, "Layout", result(n, "layout"));
    for (a = 1; a <= parseInt("0" + result(n, "angles_deg.count")); a++) {
        cell(row, "Angle" + a + "_deg", result(n, "angles_deg." + a));
        cell(row, "Period" + a + "_um", result(n, "finest_periods_um." + a));
        orders = parseInt("0" + result(n, "modulation." + a + ".count"));
        cell(row, "Modulation" + a, result(n, "modulation." + a + "." + orders));
    }
    cell(row, "Photons", result(n, "photons"));
    cell(row, "Bleaching", result(n, "bleaching"));
    cell(row, "Saturated", result(n, "saturated"));
    for (w = 1; w <= parseInt("0" + result(n, "warnings.count")); w++)
        print("dlsim: " + name + ": " + result(n, "warnings." + w + ".message") + " "
            + result(n, "warnings." + w + ".advice"));
    path = result(n, "sorted");
    if (path != "")
        openResult(path, "Grays");
}
updateResults();
cleanUp();
return verdict;
