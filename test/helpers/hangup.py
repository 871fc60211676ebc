"""hangup.py WAIT PROGRAM ARG...: runs it as a login shell is run, in a session and a terminal of its own; when its output
has WAIT, the terminal goes away. Prints what it printed, and how it ended."""
import os, pty, re, select, sys, time

pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
output, end = b"", time.time() + 60
while not re.search(sys.argv[1].encode(), output) and time.time() < end:
    if select.select([master], [], [], 0.1)[0]:
        try:
            output += os.read(master, 65536)
        except OSError:
            break
os.close(master)
status = None
while status is None and time.time() < end:
    found, raw = os.waitpid(pid, os.WNOHANG)
    if found:
        status = os.waitstatus_to_exitcode(raw)
    else:
        time.sleep(0.02)
sys.stdout.write(output.decode(errors="replace"))
sys.stdout.write("\nstatus %s\n" % status)
