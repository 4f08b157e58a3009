// One raw stack, two reconstructions, and what each is worth: resolution, and agreement with the widefield image.
//   dlsim macro compare_reconstructions.ijm "/data/cell.tif"
// Fills the results table; returns the better one by RSP. The four images stay open.

open(getArgument());
raw = getTitle();
run("Z Project...", "projection=[Average Intensity]");
rename("reference");

methods = newArray("predict", "wiener");
best = "";
highest = -2;
for (i = 0; i < methods.length; i++) {
    selectImage(raw);
    Ext.dlsim(methods[i]);
    title = getTitle();
    row = nResults;
    List.setList(Ext.dlsim("squirrel", "reference=reference table"));  // "rsp=0.98" and so on, a line each
    rsp = List.getValue("rsp");
    setResult("resolution_um", row, Ext.dlsim("resolution", "get=resolution_um"));
    if (rsp > highest) {
        highest = rsp;
        best = title;
    }
}
updateResults();
return best;
