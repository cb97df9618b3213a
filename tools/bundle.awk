# Joins the page's modules into one script:   awk -f tools/bundle.awk server/ui/main.js >page.js
#
# Each module becomes a function that is called once and returns what it exports, those that it imports first; names of
# one module are unknown to the others, as before. Of the language's ways to import and export it knows those that the
# page uses, each on one line, and fails on any other. Lines of comments and indentation are left out.
#     import { a, b as c } from "./x.js";     import * as x from "./x.js";     export const|function|async function|class

function fail(path, line) {
    print path ": not understood: " line > "/dev/stderr"
    failed = 1
    exit 1
}

function named(path) {
    sub(/.*\//, "", path)
    sub(/\.js$/, "", path)
    return "module_" path
}

function add(path,    directory, line, body, exports, name, from, names) {
    if (state[path] == "done") return
    if (state[path] == "open") fail(path, "imports itself, through others")
    state[path] = "open"
    directory = path
    sub(/[^\/]*$/, "", directory)
    while ((got = (getline line < path)) > 0) {
        sub(/^[ \t]+/, "", line)
        if (line == "" || line ~ /^\/\//) continue
        if (line ~ /^import /) {
            if (line !~ /^import (\{ [A-Za-z0-9$, ]+ \}|\* as [A-Za-z0-9]+) from "\.\/[a-z_]+\.js";$/) fail(path, line)
            names = from = line
            sub(/.* from "\.\//, "", from)
            sub(/";$/, "", from)
            sub(/^import (\* as )?/, "", names)
            sub(/ from .*/, "", names)
            gsub(/ as /, ": ", names)
            add(directory from)
            body = body "const " names " = " named(from) ";\n"
            continue
        }
        if (line ~ /^export /) {
            if (line !~ /^export (const|function|async function|class) [A-Za-z$]/) fail(path, line)
            name = line
            sub(/^export (const|function|async function|class) /, "", name)
            sub(/[^A-Za-z0-9$].*/, "", name)
            exports = exports (exports == "" ? "" : ", ") name
            sub(/^export /, "", line)
        }
        body = body line "\n"
    }
    if (got < 0) fail(path, "cannot be read")
    close(path)
    printf "const %s = (() => {\n%sreturn { %s };\n})();\n", named(path), body, exports
    state[path] = "done"
}

BEGIN {
    add(ARGV[1])
    exit failed
}
