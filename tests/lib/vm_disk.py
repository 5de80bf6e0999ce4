#!/usr/bin/python3
# A disk whose boot sector does what it is told by its serial port (PC only): p panics (pvpanic), r resets, w lets the watchdog (ib700) fire,
# o powers off, u no longer heeds the power button, else the letter comes back. usage: vm_disk.py FILE TEXT
import os, subprocess, sys, tempfile

SOURCE = r"""
.code16
.org 0
start:	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x7000, %sp
	xorw %bx, %bx			# bx = 1: no power button
	movw $(0x7c00 + text - start), %si
	cld
	movw $0x602, %dx		# PM1 enable of PIIX4, where SeaBIOS puts it: the power button
	movw $0x100, %ax
	outw %ax, %dx
next:	lodsb
	orb %al, %al
	jz wait
	call put
	jmp next
wait:	sti
	hlt				# until the clock's interrupt
	movb $1, %ah			# SeaBIOS takes the serial port's bytes for keys
	int $0x16
	jz button
	movb $0, %ah
	int $0x16
	call put
	cmpb $'p', %al
	je panic
	cmpb $'r', %al
	je reset
	cmpb $'w', %al
	je watchdog
	cmpb $'o', %al
	je off
	cmpb $'u', %al
	jne button
	movw $1, %bx
button:	orw %bx, %bx
	jnz wait
	movw $0x600, %dx		# PM1 status
	inw %dx, %ax
	testb $1, %ah
	jz wait
off:	movw $0x604, %dx
	movw $0x2000, %ax
	outw %ax, %dx
	jmp wait
panic:	movw $0x505, %dx
	movb $1, %al
	outb %al, %dx
	jmp wait
reset:	movb $0xfe, %al
	outb %al, $0x64
	jmp wait
watchdog: movw $0x443, %dx
	movb $0x0f, %al
	outb %al, %dx
	jmp wait
put:	movw $0x3f8, %dx
	outb %al, %dx
	ret
text:	.asciz "%TEXT%\r\n"
"""

path, text = sys.argv[1:3]
with tempfile.TemporaryDirectory() as d:
    o, b = os.path.join(d, "o"), os.path.join(d, "b")
    subprocess.run(["as", "--32", "-o", o, "-"], input=SOURCE.replace("%TEXT%", text).encode(), check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", o, b], check=True)
    code = open(b, "rb").read()
assert len(code) <= 510, len(code)
with open(path, "wb") as f:
    f.write(code.ljust(510, b"\0") + b"\x55\xaa")
    f.truncate(16 << 20)
