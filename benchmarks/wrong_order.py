"""How the fit answers to right and wrong frame orders: where the thresholds of `acquisition.detect` come from."""
import numpy as np, sys
from dlsim_ij.simulation import *
from dlsim_ij.acquisition.pattern_fit import fit_patterns
from dlsim_ij.acquisition.brightness import *
from dlsim_ij.optics import Optics
rows=[]
for i in range(int(sys.argv[1])):
    rng=np.random.default_rng([5,i]); n=list(STRUCTURES)[i%5]
    d=draw_structure(n,(256,256),.03,rng); h=draw_structure(n,(256,256),.03,rng)
    c=random_conditions(rng,photons=(3,1000)); s=simulate_sim(d,c,rng,haze_density=h)
    for name,perm in (('right',np.arange(15)),('phase-major',np.arange(15).reshape(3,5).T.ravel()),('reversed',np.arange(15)[::-1]),('shuffled',rng.permutation(15))):
        r=s.raw[perm]; f=equalise_frames(r,estimate_offset(r)); P=fit_patterns(f,3,5,Optics())
        ang=sorted(p.angle_deg for p in P); gaps=np.diff([*ang,ang[0]+180]); per=np.array([p.period_px for p in P])
        rows.append((name,c.photons,min(p.snr[0] for p in P),max(p.snr[0] for p in P),abs(gaps-60).max(),per.max()/per.min()-1))
for name in ('right','phase-major','reversed','shuffled'):
    R=[r for r in rows if r[0]==name]
    a=np.array([r[1:] for r in R])
    for lo,hi in ((3,10),(10,50),(50,1000)):
        m=(a[:,0]>=lo)&(a[:,0]<hi)
        if m.any(): print(name,lo,hi,m.sum(),'min snr pct5,50,95',np.percentile(a[m,1],[5,50,95]).round(1),'gap dev',np.percentile(a[m,3],[5,50,95]).round(1),'period spread',np.percentile(a[m,4],[5,50,95]).round(3))
