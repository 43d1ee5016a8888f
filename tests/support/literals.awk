# Prints the texts in C sources, one a line: adjacent strings joined, each conversion of printf as "…" (several in a row as one).
# Used by tests that compare documents with the messages of the programs.
function finish() {
    if (!has_text) return
    gsub(/%%/, "\001", text)
    gsub(/%[-+ #0]*([0-9]+|\*)?(\.([0-9]+|\*)?)?(hh|h|ll|l|z|j|t)?[diouxXeEfFgGaAcsp]/, "…", text)
    while (gsub(/……/, "…", text)) continue
    gsub(/\001/, "%", text)
    gsub(/\\"/, "\"", text)
    print text
    has_text = 0
    text = ""
}
FNR == 1 { finish() }
{
    line = $0
    while (line != "") {
        if (in_comment) {
            end = index(line, "*/")
            if (!end) break
            line = substr(line, end + 2)
            in_comment = 0
        } else if (match(line, /^[ \t]+/)) line = substr(line, RLENGTH + 1)
        else if (substr(line, 1, 2) == "/*") {
            in_comment = 1
            line = substr(line, 3)
        } else if (match(line, /^"([^"\\]|\\.)*"/)) {
            text = text substr(line, 2, RLENGTH - 2)
            has_text = 1
            line = substr(line, RLENGTH + 1)
        } else {
            finish()
            if (match(line, /^'([^'\\]|\\.)*'/) || match(line, /^[^"'\/]+/)) line = substr(line, RLENGTH + 1)
            else line = substr(line, 2)
        }
    }
}
END { finish() }
