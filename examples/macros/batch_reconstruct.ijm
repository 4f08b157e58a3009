// Reconstructs every raw SIM stack of a folder with the network, segments and measures it with ImageJ, and saves
// one table. Images go to Python and back in memory; the model is loaded once.
//   dlsim macro batch_reconstruct.ijm "input=[/data/raw] table=[/data/pieces.csv] pixel_size=0.06 model=sim15"

input = option("input", "");
table = option("table", "");
model = option("model", "sim15");
pixel = option("pixel_size", "");
if (input == "" || table == "")
    exit("give input=[folder of raw stacks] table=[file.csv]");
if (!endsWith(input, "/") && !endsWith(input, "\\"))
    input += "/";
words = "model=" + model;
if (pixel != "")
    words += " pixel_size=" + pixel;

files = getFileList(input);
rows = 0;
csv = "file,pieces,area_um2,mean,resolution_um\n";
for (i = 0; i < files.length; i++) {
    if (!endsWith(toLowerCase(files[i]), ".tif"))
        continue;
    open(input + files[i]);
    raw = getImageID();
    Ext.dlsim("predict", words);
    resolution = Ext.dlsim("resolution", "get=resolution_um");

    // from here on it is ImageJ's work, on a copy
    run("Duplicate...", "title=mask");
    run("Gaussian Blur...", "sigma=1");
    setAutoThreshold("Otsu dark");
    run("Set Measurements...", "area mean redirect=None decimal=4");
    run("Analyze Particles...", "size=0.02-Infinity display clear");
    area = 0;
    mean = 0;
    for (k = 0; k < nResults; k++) {
        area += getResult("Area", k);
        mean += getResult("Area", k) * getResult("Mean", k);
    }
    if (area > 0)
        mean /= area;
    csv += files[i] + "," + nResults + "," + area + "," + mean + "," + resolution + "\n";
    print(files[i] + ": " + nResults + " pieces");
    rows++;
    run("Close All");
}
if (rows == 0)
    exit("no .tif in " + input);
File.saveString(csv, table);
return "" + rows;

// Value of "key=value" or "key=[value with spaces]" in the macro's argument.
function option(key, standard) {
    text = " " + getArgument();
    at = indexOf(text, " " + key + "=");
    if (at < 0)
        return standard;
    text = substring(text, at + lengthOf(key) + 2);
    if (startsWith(text, "["))
        return substring(text, 1, indexOf(text, "]"));
    end = indexOf(text, " ");
    if (end < 0)
        return text;
    return substring(text, 0, end);
}
