"""Runs a program in a terminal: pty-driver.py ACTIONS PROGRAM ARG…

ACTIONS is JSON, a list of ["wait", REGEX], ["send", TEXT], ["size", COLUMNS, ROWS]. Prints JSON: the exit status (128+n
for a signal), all output, and whether the terminal's settings are the same after it. Gives up after 60 s.
"""
import fcntl, json, os, pty, re, select, signal, struct, sys, termios, time

actions = json.loads(sys.argv[1])
master, slave = pty.openpty()


def resize(columns, rows):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(80, 24)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.closerange(3, 256)
    os.execvp(sys.argv[2], sys.argv[2:])

output = b""
searched = 0
status = None
deadline = time.monotonic() + 60
while status is None or select.select([master], [], [], 0.1)[0]:
    if time.monotonic() > deadline:
        os.kill(pid, signal.SIGKILL)
        print(json.dumps({"code": None, "output": output.decode("latin1"), "left": actions, "restored": False}))
        sys.exit(1)
    while actions:
        what, *args = actions[0]
        if what == "wait":
            found = re.search(args[0].encode(), output[searched:])
            if not found:
                break
            searched += found.end()
        elif what == "send":
            os.write(master, args[0].encode())
        else:
            resize(*args)
        actions.pop(0)
    if select.select([master], [], [], 0.05)[0]:
        output += os.read(master, 65536)
    if status is None:
        done, value = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(value)
restored = termios.tcgetattr(slave) == before
code = status if status >= 0 else 128 - status
print(json.dumps({"code": code, "output": output.decode("latin1"), "left": actions, "restored": restored}))
