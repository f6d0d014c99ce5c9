import sys, os, time
sys.path.insert(0, "/work/main/tests")
from sandpit import *
from refusals import fixing, untouched, TASK
def usage(d): return int(open(d+"/cpuacct.usage").read())/1e6
def test_x(tmp_path):
    d="/sys/fs/cgroup/cpuacct/px"; os.makedirs(d, exist_ok=True)
    def m(what, f, n=4):
        f()
        c=usage(d); 
        for _ in range(n): f()
        print(f"{what:20} {(usage(d)-c)/n:.0f} ms")
    open(d+"/cgroup.procs","w").write(str(os.getpid()))
    from itertools import count
    it=count()
    m("pit light", lambda: Sandpit(tmp_path/f"a{next(it)}", policy=LIGHT))
    pit=Sandpit(tmp_path/"pit", policy=LIGHT); t=fixing(pit)
    import shutil
    def fresh(*a):
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True); shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)
        assert pit.run(*t, *a).exit_code==0
    m("light fix", fresh)
    m("light fix again", lambda: pit.run(*t))
    m("explain", lambda: pit.run("explain","--task","x"))
    m("--version", lambda: pit.run("--version"))
    m("refused", lambda: pit.run("--task","x","--lane","nope"))
    m("state()", lambda: pit.state())
    pit=Sandpit(tmp_path/"pitp"); t=fixing(pit)
    m("policy fix", fresh)
    open("/sys/fs/cgroup/cpuacct/cgroup.procs","w").write(str(os.getpid()))
