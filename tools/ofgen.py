#!/usr/bin/python3
"""Make the OpenFlow codec from its description: ofgen.py openflow13.txt of13.h of13.c. The language stands in the description."""
import re
import sys

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
ALIGN = {"multiple8": "OF_MULTIPLE8", "padded8": "OF_PADDED8"}


class Tokens:
    def __init__(self, path):
        self.path, self.list, self.at = path, [], 0
        for number, line in enumerate(open(path), 1):
            for t in re.findall(r"[A-Za-z0-9_]+|[^\s\w]", line.split("#")[0]):
                self.list.append((t, number))

    def fail(self, why):
        t, line = self.list[min(self.at, len(self.list) - 1)]
        sys.exit("%s:%d: %s (at '%s')" % (self.path, line, why, t))

    def peek(self, ahead=0):
        return self.list[self.at + ahead][0] if self.at + ahead < len(self.list) else ""

    def take(self, *wanted):
        t = self.peek()
        if wanted and t not in wanted:
            self.fail("'%s' expected" % "' or '".join(wanted))
        self.at += 1
        return t

    def may(self, wanted):
        if self.peek() != wanted:
            return False
        self.at += 1
        return True

    def name(self):
        if not re.fullmatch(r"\w+", self.peek()):
            self.fail("a name expected")
        return self.take()

    def number(self):
        try:
            return int(self.take(), 0)
        except ValueError:
            self.at -= 1
            self.fail("a number expected")


class Field:
    def __init__(self, kind, name="", **more):
        self.kind, self.name, self.since, self.before, self.size, self.n, self.value = kind, name, 0, 0, 0, 1, 0
        self.elem, self.names, self.variants, self.error = "", "", [], None
        self.__dict__.update(more)


class Struct:
    def __init__(self, name, fields=(), **more):
        self.name, self.fields, self.align, self.error = name, list(fields), "OF_ANY", None
        self.type, self.type_old, self.since, self.before = 0, None, 0, 0
        self.__dict__.update(more)

    def fixed(self):
        """Bytes that are there whatever the content; those of version 4 and 5 are the same number, save in messages."""
        n = 0
        for f in self.fields:
            if f.since and f.kind in ("OF_NUMBER", "OF_PAD"):
                continue
            n += {"OF_NUMBER": f.size * f.n, "OF_BYTES": f.size, "OF_TEXT": f.size, "OF_PAD": f.size, "OF_LENGTH": 2, "OF_SIZE_OF": 2,
                  "OF_MATCH": 8, "OF_OXM": 5}.get(f.kind, 0)
            if f.kind == "OF_STRUCT":
                n += f.sub.fixed()
        return n

    def length_at(self):
        n = 0
        for f in self.fields:
            if f.kind == "OF_LENGTH":
                return n
            n += f.size * f.n
        return -1


class Description:
    def __init__(self, path):
        self.t, self.enums, self.errors, self.oxms, self.structs, self.messages, self.printed = Tokens(path), {}, {}, [], {}, [], {"error"}
        while self.t.peek():
            getattr(self, "read_" + self.t.take("enum", "errors", "oxm", "struct", "message"))()

    def members(self):
        self.t.take("{")
        out = []
        while not self.t.may("}"):
            name = self.t.name()
            self.t.take("=")
            out.append((name, self.t.number()))
            self.t.take(";")
        return out

    def read_enum(self):
        name = self.t.name()
        self.enums[name] = self.members()

    def read_errors(self):
        name = self.t.name()
        if name not in dict(self.enums["error"]):
            self.t.fail("no such type of error")
        self.errors[name] = self.members()

    def read_oxm(self):
        self.t.take("{")
        while not self.t.may("}"):
            name, number, bits = self.t.name(), self.t.number(), self.t.number()
            size = self.t.number() if self.t.may("in") else (bits + 7) // 8
            self.oxms.append((name, number, bits, size, self.t.may("mask")))
            self.t.take(";")

    def error(self):
        kind = self.t.name()
        self.t.take("/")
        code = self.t.name()
        if code not in dict(self.errors.get(kind, [])):
            self.t.fail("no such error: %s/%s" % (kind, code))
        return kind, code

    def versions(self, x):
        while self.t.peek() in ("since", "before"):
            setattr(x, self.t.take(), self.t.number())

    def read_struct(self):
        s = Struct(self.t.name())
        while self.t.peek() in ALIGN:
            s.align = ALIGN[self.t.take()]
        self.t.take("error")
        s.error = self.error()
        s.fields = self.fields(s)
        self.structs[s.name] = s

    def read_message(self):
        m = Struct(self.t.name(), error=("BAD_REQUEST", "BAD_LEN"))
        self.t.take("=")
        m.type = self.t.number()
        self.versions(m)
        if re.fullmatch(r"\d+", self.t.peek()):
            m.type_old, m.before = self.t.number(), 0
        if self.t.may("error"):
            m.error = self.error()
        m.fields = self.fields(m)
        self.messages.append(m)

    def fields(self, owner):
        self.t.take("{")
        out = []
        while not self.t.may("}"):
            out.append(self.field(out))
        return out

    def lookup(self, table, name):
        if name not in table:
            self.t.fail("'%s' is not known" % name)
        return table[name]

    def field(self, before):
        word = self.t.name()
        if word in SIZES:
            f = Field("OF_NUMBER", self.t.name(), size=SIZES[word])
            if self.t.may("["):
                f.n = self.t.number()
                self.t.take("]")
            if self.t.may(":"):
                f.names = self.t.name()
                self.lookup(self.enums, f.names)
                self.printed.add(f.names)
        elif word == "mac":
            f = Field("OF_BYTES", self.t.name(), size=6)
        elif word == "text":
            f = Field("OF_TEXT", size=self.t.number())
            f.name = self.t.name()
        elif word in ("pad", "magic"):
            f = Field("OF_" + word.upper())
            setattr(f, "size" if word == "pad" else "value", self.t.number())
            f.size = f.size or 4
        elif word in ("length", "tail8"):
            f = Field("OF_LENGTH" if word == "length" else "OF_TAIL", size=2 if word == "length" else 0)
        elif word in ("struct", "list"):
            f = Field("OF_" + word.upper(), elem=self.t.name())
            f.name, f.sub = self.t.name(), self.lookup(self.structs, f.elem)
            if self.t.may("sized"):
                f.kind = "OF_SIZED"
        elif word in ("match", "oxm", "data", "message"):
            f = Field("OF_" + word.upper(), self.t.name())
        elif word == "sizeof":
            f = Field("OF_SIZE_OF", of=self.t.name(), size=2)
        elif word == "switch":
            return self.switch(before)
        else:
            self.t.at -= 1
            self.t.fail("no such kind of field")
        self.versions(f)
        self.t.take(";")
        return f

    def switch(self, before):
        f = Field("OF_SWITCH")
        on = self.t.name()
        f.on = next((b for b in before if b.name == on and b.names), None) or self.t.fail("no field with an enum has that name")
        if self.t.may("error"):
            f.error = self.error()
        values = dict(self.enums[f.on.names])
        self.t.take("{")
        while not self.t.may("}"):
            f.variants.append(self.variant(f, values))
            self.t.take(";")
        return f

    def variant(self, f, values):
        if self.t.may("else"):
            self.t.take("data")
            return Struct(self.t.name(), other=True, refused=False, value=0, ref=None)
        member = self.t.name()
        v = Struct(member.lower(), other=False, refused=False, ref=None, value=self.lookup(values, member))
        if self.t.may("as"):
            v.name = self.t.name()
        self.versions(v)
        if self.t.may("error"):
            v.refused, v.error = True, self.error()
        elif self.t.may(":"):
            v.ref = self.lookup(self.structs, self.t.name())
        else:
            v.fields = self.fields(v)
        return v


COMMON = """\
// OF13_ERR(BAD_MATCH, BAD_FIELD): a struct of_wire_error.
#define OF13_ERR(kind, why) ((struct of_wire_error){ OF13_ERROR_##kind, OF13_##kind##_##why })
// "BAD_MATCH", "BAD_FIELD"; NULL = not known.
const char *of13_error_type_name(uint16_t type);
const char *of13_error_code_name(uint16_t type, uint16_t code);
// returns OF13_MSG_..., or -EBADMSG and *e: a type or version that is not known, or too short
int of13_identify(const uint8_t *msg, size_t size, struct of_wire_error *e);
""".split("\n")


def err(e):
    return "{ OF13_ERROR_%s, OF13_%s_%s }" % (e[0], e[0], e[1]) if e else "{ 0, 0 }"


class Writer:
    def __init__(self, d):
        self.d, self.h, self.c = d, [], []

    # --- of13.h

    def enum(self, name, members, prefix):
        self.h.append("enum of13_enum_%s {" % name)
        for m, v in members:
            self.h.append("\tOF13_%s_%s = %s," % (prefix, m, hex(v) if v > 9 else v))
        self.h.append("};\n")

    def member(self, f, indent):
        types = {"OF_LIST": "struct of_list", "OF_SIZED": "struct of_list", "OF_MATCH": "struct of_list", "OF_OXM": "struct of_list",
                 "OF_DATA": "struct of_list", "OF_MESSAGE": "struct of_list"}
        if f.kind == "OF_NUMBER":
            return ["%suint%d_t %s%s;" % (indent, f.size * 8, f.name, "[%d]" % f.n if f.n > 1 else "")]
        if f.kind in ("OF_BYTES", "OF_TEXT"):
            return ["%s%s %s[%d];" % (indent, "char" if f.kind == "OF_TEXT" else "uint8_t", f.name, f.size)]
        if f.kind == "OF_STRUCT":
            return ["%sstruct of13_%s %s;" % (indent, f.elem, f.name)]
        if f.kind in types:
            what = {"OF_LIST": f.elem, "OF_SIZED": f.elem, "OF_MATCH": "oxm", "OF_OXM": "one oxm"}.get(f.kind)
            return ["%s%s %s;%s" % (indent, types[f.kind], f.name, " // of " + what if what else "")]
        if f.kind == "OF_SWITCH":
            return self.union(f, indent)
        return []

    def union(self, f, indent):
        out = []
        for v in f.variants:
            if v.other:
                out.append("%s\tstruct of_list %s;" % (indent, v.name))
            elif v.ref:
                out.append("%s\tstruct of13_%s %s;" % (indent, v.ref.name, v.name))
            else:
                inner = [line for g in v.fields for line in self.member(g, indent + "\t\t")]
                if inner:
                    out += ["%s\tstruct {" % indent] + inner + ["%s\t} %s;" % (indent, v.name)]
        return ["%sunion {" % indent] + out + ["%s};" % indent] if out else []

    def struct(self, s, head):
        self.h.append("struct of13_%s {" % s.name)
        self.h += head
        for f in s.fields:
            self.h += self.member(f, "\t")
        self.h.append("};")

    def header(self, source):
        self.h += ["// Made by tools/ofgen.py from %s: do not edit. Essay: of_wire.h." % source, "#ifndef OF13_H", "#define OF13_H", ""]
        self.h += ['#include "of_wire.h"', "", "#define OF13_VERSION 4", "#define OF14_VERSION 5", ""]
        for name, members in self.d.enums.items():
            self.enum(name, members, name.upper())
        for name, members in self.d.errors.items():
            self.enum("code_" + name.lower(), members, name)
        self.enum("oxm", [(o[0], o[1]) for o in self.d.oxms], "OXM")
        self.enum("msg", [(m.name.upper(), i) for i, m in enumerate(self.d.messages)], "MSG")
        for s in self.d.structs.values():
            self.struct(s, [])
            self.h.append("bool of13_%s_next(struct of_list *l, struct of13_%s *out);" % (s.name, s.name))
            self.h.append("int of13_%s_put(struct of_buf *b, const struct of13_%s *m);\n" % (s.name, s.name))
        for m in self.d.messages:
            self.struct(m, ["\tuint8_t version; // 0 = 4", "\tuint32_t xid;"])
            self.h.append("int of13_%s_get(const uint8_t *msg, size_t size, struct of13_%s *out, struct of_wire_error *e);" % (m.name, m.name))
            self.h.append("int of13_%s_put(struct of_buf *b, const struct of13_%s *m);\n" % (m.name, m.name))
        self.h += COMMON
        self.h.append("#endif")

    # --- of13.c

    def field_row(self, f, outer, inner, variants):
        place = "%s.%s" % (inner, f.name) if inner else f.name
        row = ['.kind = %s' % f.kind, ".n = %d" % f.n, ".size = %d" % f.size]
        if f.name:
            row.append('.name = "%s"' % f.name)
            row.append(".offset = offsetof(struct of13_%s, %s)" % (outer, place))
        if f.kind == "OF_SWITCH":
            row.append(".offset = offsetof(struct of13_%s, %s)" % (outer, f.on.name))
            row[2] = ".size = %d" % f.on.size
            row += [".variants = %s" % variants, ".n_variants = %d" % len(f.variants), ".error = %s" % err(f.error)]
        if f.kind == "OF_SIZE_OF":
            row.append(".offset = offsetof(struct of13_%s, %s)" % (outer, f.of))
        if f.kind == "OF_MAGIC":
            row.append(".value = %d" % f.value)
        if f.elem:
            row.append(".desc = &desc_%s" % f.elem)
        if f.names:
            row.append(".names = &names_%s" % f.names)
        if f.since or f.before:
            row.append(".since = %d, .before = %d" % (f.since, f.before))
        return "\t{ %s }," % ", ".join(row)

    def fields_table(self, name, fields, outer, inner):
        """Rows of one struct; those of its variants first."""
        rows = []
        for f in fields:
            variants = ""
            if f.kind == "OF_SWITCH":
                variants = "variants_%s" % name
                self.variants_table(variants, f, outer)
            rows.append(self.field_row(f, outer, inner, variants))
        if rows:
            self.c += ["static const struct of_field fields_%s[] = {" % name] + rows + ["};"]
        return "fields_%s" % name if rows else "NULL"

    def variants_table(self, name, f, outer):
        rows = []
        for i, v in enumerate(f.variants):
            row = [".value = %d" % v.value, '.name = "%s"' % v.name, ".since = %d, .before = %d" % (v.since, v.before)]
            if v.other:
                row.append(".other = true, .offset = offsetof(struct of13_%s, %s)" % (outer, v.name))
            elif v.refused:
                row.append(".refused = true, .error = %s" % err(v.error))
            elif v.ref:
                row.append(".desc = &desc_%s, .offset = offsetof(struct of13_%s, %s)" % (v.ref.name, outer, v.name))
            elif v.fields:
                sub = "%s_%d" % (name, i)
                table = self.fields_table(sub, v.fields, outer, v.name)
                self.c.append('static const struct of_desc desc_%s = { .name = "%s", .fields = %s, .n_fields = %d, .length_at = -1 };' % (sub, v.name, table, len(v.fields)))
                row.append(".desc = &desc_%s" % sub)
            rows.append("\t{ %s }," % ", ".join(row))
        self.c += ["static const struct of_variant %s[] = {" % name] + rows + ["};"]

    def desc(self, s, more):
        table = self.fields_table(s.name, s.fields, s.name, "")
        self.c.append("static const struct of_desc desc_%s = {" % s.name)
        self.c.append('\t.name = "%s", .fields = %s, .n_fields = %d, .c_size = sizeof(struct of13_%s),' % (s.name, table, len(s.fields), s.name))
        self.c.append("\t.wire_size = %d, .length_at = %d, .align = %s, .error = %s,%s" % (s.fixed(), s.length_at(), s.align, err(s.error), more))
        self.c.append("};")
        self.c.append("static_assert(sizeof(struct of13_%s) <= OF_SCRATCH, \"scratch\");" % s.name)

    def names(self, symbol, members):
        self.c.append("static const struct of_name %s_list[] = {" % symbol)
        self.c += ['\t{ %s, "%s" },' % (hex(v), m) for m, v in members]
        self.c += ["};", "static const struct of_names %s = { %s_list, %d };" % (symbol, symbol, len(members))]

    def errors(self):
        self.c.append("static const struct of_names *const codes[] = {")
        for name in self.d.errors:
            self.c.append("\t[OF13_ERROR_%s] = &names_code_%s," % (name, name.lower()))
        self.c += ["};",
                   "const char *of13_error_type_name(uint16_t type)", "{", "\treturn of_name_of(&names_error, type);", "}",
                   "const char *of13_error_code_name(uint16_t type, uint16_t code)", "{",
                   "\treturn type < sizeof(codes) / sizeof(codes[0]) && codes[type] ? of_name_of(codes[type], code) : NULL;", "}"]

    def functions(self):
        for s in self.d.structs.values():
            self.c += ["bool of13_%s_next(struct of_list *l, struct of13_%s *out)" % (s.name, s.name),
                       "{", "\treturn of_next(l, &desc_%s, out);" % s.name, "}",
                       "int of13_%s_put(struct of_buf *b, const struct of13_%s *m)" % (s.name, s.name),
                       "{", "\treturn of_put(b, &desc_%s, m);" % s.name, "}"]
        for m in self.d.messages:
            self.c += ["int of13_%s_get(const uint8_t *msg, size_t size, struct of13_%s *out, struct of_wire_error *e)" % (m.name, m.name),
                       "{", "\treturn of_get_message(&desc_%s, msg, size, out, e);" % m.name, "}",
                       "int of13_%s_put(struct of_buf *b, const struct of13_%s *m)" % (m.name, m.name),
                       "{", "\treturn of_put_message(b, &desc_%s, m);" % m.name, "}"]

    def source(self, source):
        self.c += ["// Made by tools/ofgen.py from %s: do not edit." % source, '#include "of13.h"', '#include "of_desc.h"', "", "#include <assert.h>", "#include <errno.h>", ""]
        for name, members in self.d.enums.items():
            if name in self.d.printed:
                self.names("names_" + name, members)
        for name, members in self.d.errors.items():
            self.names("names_code_" + name.lower(), members)
        self.errors()
        self.c.append("const struct of_oxm_info of13_oxm_infos[OF_OXM_N] = {")
        self.c += ['\t[%d] = { "%s", %d, %d, %s },' % (o[1], o[0].lower(), o[2], o[3], "true" if o[4] else "false") for o in self.d.oxms]
        self.c.append("};")
        for s in self.d.structs.values():
            self.desc(s, "")
        for m in self.d.messages:
            old = m.type if m.type_old is None else m.type_old
            magic = next((f.value for f in reversed(m.fields) if f.kind == "OF_MAGIC"), 0)
            self.desc(m, " .type = %d, .type_old = %d, .since = %d, .before = %d, .exp_type_old = %d," % (m.type, old, m.since, m.before, magic))
        self.c += ["const struct of_desc *const of13_messages[] = {"] + ["\t&desc_%s," % m.name for m in self.d.messages] + ["};"]
        self.c.append("const uint32_t of13_n_messages = %d;" % len(self.d.messages))
        self.functions()
        self.c += ["int of13_identify(const uint8_t *msg, size_t size, struct of_wire_error *e)", "{",
                   "\tconst struct of_desc *d = of_identify(msg, size, e);",
                   "\tfor (uint32_t i = 0; d && i < of13_n_messages; i++)",
                   "\t\tif (of13_messages[i] == d)",
                   "\t\t\treturn (int)i;",
                   "\treturn -EBADMSG;", "}"]


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    d = Description(sys.argv[1])
    w, source = Writer(d), sys.argv[1].rsplit("/", 1)[-1]
    w.header(source)
    w.source(source)
    open(sys.argv[2], "w").write("\n".join(w.h) + "\n")
    open(sys.argv[3], "w").write("\n".join(w.c) + "\n")


main()
