// Looks before it reconstructs: is the stack a SIM acquisition, in which order, and how dark is it?
//   dlsim macro check_then_reconstruct.ijm "/data/cell.tif"
// A dark stack gets the model for little light; one that is not fit stops the macro with the reason.

open(getArgument());
List.setList(Ext.dlsim("check"));
print("frames " + List.get("layout") + ", " + List.get("order") + ", confidence " + List.get("confidence"));
if (!List.getValue("fit"))
    exit("not fit for reconstruction: " + List.get("order") + " order; dlsim check says more");

photons = List.getValue("photons");
model = "sim15";
if (photons < 10)
    model = "lowlight";
print(d2s(photons, 1) + " photo-electrons: " + model);
Ext.dlsim("predict", "uncertainty model=" + model);
sr = getTitle();

// How sure is it? The error's standard deviation came along, one image below.
selectImage(replace(sr, "_sr", "_sd"));
getStatistics(area, sd);
selectImage(sr);
getStatistics(area, mean);
return model + ": " + sr + ", error " + d2s(100 * sd / mean, 1) + " % of the mean";
