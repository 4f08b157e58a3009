// Counts and measures bright spots:  dlsim macro measure_spots.ijm "sigma=2"
// Any ImageJ runs it too (Plugins > Macros > Run...); without an argument sigma is 1.

sigma = 1;
if (startsWith(getArgument(), "sigma="))
    sigma = parseFloat(substring(getArgument(), 6));

// a picture with nine spots, so that the example needs no file
newImage("spots", "8-bit black", 120, 120, 1);
setColor(255);
for (y = 20; y < 120; y += 40)
    for (x = 20; x < 120; x += 40)
        fillOval(x - 4, y - 4, 9, 9);

run("Gaussian Blur...", "sigma=" + sigma);
setThreshold(60, 255);
run("Set Measurements...", "area mean centroid redirect=None decimal=3");
run("Analyze Particles...", "size=10-Infinity display clear");
print("sigma = " + sigma);
return "" + nResults + " spots";
