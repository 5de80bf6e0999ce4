"""RFC 6242 framing over sshd: bytes as no good client would send them. usage: netconf_frames.py PORT KEY"""
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from netconf_peer import NC, VM, Server, eventually, rpc, run, texts, vm, vms

server = Server(sys.argv[1], sys.argv[2])
GET = '<get-config><source><%s/></source><filter type="subtree"><vms xmlns="' + VM + '"/></filter></get-config>'
SESSIONS = '<get><filter type="subtree"><netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><sessions/></netconf-state></filter></get>'


def edit(body):
    return "<edit-config><target><candidate/></target>%s</edit-config>" % vms(body)


def session(*versions):
    s = server.ssh()
    s.hello(*versions)
    return s


def end(s):
    assert "<ok/>" in s.call("<close-session/>")
    s.gone()


def only_the_old_framing():
    s = session("1.0")
    assert "<ok/>" in s.call(edit(vm("old", "<description>Grüße ]]&gt; 🐧</description>")), "7")
    reply = s.call(GET % "candidate")
    assert texts(reply.split("?>", 1)[1], "//vm:vm[vm:name='old']/vm:description/text()") == ["Grüße ]]> 🐧"]
    assert 'message-id="8"' in s.call("<discard-changes/>", "8")
    # Not XML, and another after it: this framing knows where the next message begins.
    s.send("<rpc><")
    assert "rpc-error" in s.recv().decode()
    assert "<ok/>" in s.call('<validate><source><running/></source></validate>')
    end(s)


def no_common_version():
    s = server.ssh()
    s.hello("7.0")
    s.chunked = False
    s.gone()


def chunks_of_one_byte():
    s = session("1.0", "1.1")
    data = rpc(edit(vm("ones", "<description>ü日🐧</description>"))).encode()
    s.write(b"".join(b"\n#1\n" + data[i:i + 1] for i in range(len(data))) + b"\n##\n")
    assert "<ok/>" in s.recv().decode()
    # The same, each byte of the stream in a write of its own.
    for byte in s.frame(rpc(GET % "candidate")):
        s.write(bytes([byte]))
    assert "ü日🐧" in s.recv().decode()
    assert "<ok/>" in s.call("<discard-changes/>")
    end(s)


def two_in_one_write():
    s = session("1.1")
    s.write(s.frame(rpc(GET % "running", "one")) + s.frame(rpc("<get-config/>", "two")) + s.frame(rpc("<discard-changes/>", "three")))
    replies = [s.recv().decode() for _ in range(3)]
    assert ['message-id="%s"' % n in r for n, r in zip(("one", "two", "three"), replies)] == [True] * 3
    assert "<data" in replies[0] and "missing-element" in replies[1] and "<ok/>" in replies[2]
    # Hello and the first request at once, too.
    t = server.ssh()
    t.write(t.frame('<hello xmlns="%s"><capabilities><capability>urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>' % NC))
    t.chunked = True
    t.write(t.frame(rpc("<close-session/>")))
    t.chunked = False
    t.recv()
    t.chunked = True
    assert "<ok/>" in t.recv().decode()
    t.gone()
    end(s)


def a_thousand_at_once():
    s = session("1.1")
    many = b"".join(s.frame(rpc(GET % "running", "n%d" % i)) for i in range(1000))
    sender = threading.Thread(target=s.write, args=(many,))
    sender.start()
    for i in range(1000):
        reply = s.recv().decode()
        assert 'message-id="n%d"' % i in reply and "<data" in reply, (i, reply[:200])
    sender.join()
    end(s)


def wrong_chunk(wrong):
    s = session("1.1")
    s.write(wrong)
    s.gone()  # RFC 6242 section 4.2: the session ends, without a word


def wrong_chunks():
    wrong = (b"\n#0\n", b"\n#01\nx", b"\n#-1\n", b"\n#4294967296\n", b"\n#1x\n", b"#1\nx", b"\n##\n", b"\n#\n")
    with ThreadPoolExecutor(len(wrong)) as at_once:
        list(at_once.map(wrong_chunk, wrong))  # raises what one of them raised


def a_request_that_is_too_big():
    s = session("1.1")
    try:
        s.write(b"\n#4294967295\n")
        for _ in range(64):
            s.write(b"x" * (1 << 20))
    except BrokenPipeError:
        pass
    else:
        s.gone()
    s.drop()


def clients_that_vanish():
    watcher = session("1.1")
    for part in (b"\n#100\n<rpc", b"\n#5", b"", b"\n#4\n<rpc\n##"):
        s = session("1.1")
        assert "<ok/>" in s.call("<lock><target><candidate/></target></lock>")
        s.write(s.frame(rpc(edit(vm("half")))))
        s.write(part)
        s.drop()
        # Its lock goes with it, and what it had changed.
        eventually(lambda: "<ok/>" in watcher.call("<lock><target><candidate/></target></lock>"))
        assert "half" not in watcher.call(GET % "candidate")
        assert "<ok/>" in watcher.call("<unlock><target><candidate/></target></unlock>")
    # Vanished while a large answer was on its way.
    s = session("1.1")
    for _ in range(50):
        s.send(rpc("<get/>"))
    s.drop()
    eventually(lambda: watcher.call(SESSIONS).count("<session-id>") == 1)
    end(watcher)


def large_answers_of_wide_characters():
    s = session("1.1")
    for pad in range(4):  # so that the border between chunks meets a character of four bytes in each of its bytes
        body = "".join(vm("big%d" % i, "<description>%s</description>" % (("x" * pad if i == 0 else "") + "🐧" * 250)) for i in range(1200))
        assert "<ok/>" in s.call(edit(body))
        reply = s.call(GET % "candidate")
        assert len(reply.encode()) > 1 << 20 and len(s.chunks) > 1
        assert len(texts(reply.split("?>", 1)[1], "//vm:vm[starts-with(vm:name, 'big')]/vm:description[contains(., '%s')]" % ("🐧" * 250))) == 1200
        for chunk in s.chunks:
            chunk.decode()  # each is text by itself: ncclient reads them so
        assert "<ok/>" in s.call("<discard-changes/>")
    old = session("1.0")
    assert "<ok/>" in old.call(edit(body))
    assert old.call(GET % "candidate").count("🐧" * 250) == 1200
    assert "<ok/>" in old.call("<discard-changes/>")
    end(old)
    end(s)


if __name__ == "__main__":
    sys.exit(run([only_the_old_framing, no_common_version, chunks_of_one_byte, two_in_one_write, a_thousand_at_once, wrong_chunks, a_request_that_is_too_big,
                  clients_that_vanish, large_answers_of_wide_characters]))
