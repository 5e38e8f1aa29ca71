package letters

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The longest texts in a mail, in characters. Names and addresses are as long as people write them on parcels.
const (
	maxName  = 40
	maxLine  = 80 // of an address
	maxTitle = 120
)

// harmless makes one line of a text that a stranger may have written. No mail program finds a link or an address in it:
// anybody can order in the name of somebody else's mailbox, and must not be able to send advertising that way.
func harmless(text string, limit int) string {
	words := strings.Fields(oneLine(text))
	for i, word := range words {
		words[i] = unlink([]rune(strings.Map(asciiSeparator, word)))
	}
	return shorten(strings.Join(strings.Fields(strings.Join(words, " ")), " "), limit)
}

// oneLine replaces line ends and control characters by spaces, and removes characters that are invisible or change the
// direction of the text.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))), " ")
}

// asciiSeparator returns the ASCII form of a separator in links. Mail programs read a full-width dot as a dot.
func asciiSeparator(r rune) rune {
	switch norm.NFKC.String(string(r)) {
	case ".", "。":
		return '.'
	case "@":
		return '@'
	case ":":
		return ':'
	case "/", `\`:
		return '/'
	}
	return r
}

// unlink takes from a word what makes it a link: its @, the dots between letters, its double slashes, and the colon of
// a scheme. Dots at the end, decimals and times stay.
func unlink(word []rune) string {
	dots := strings.Count(string(word), ".")
	var b strings.Builder
	for i, r := range word {
		last := i == len(word)-1
		amidDigits := i > 0 && !last && isDigit(word[i-1]) && isDigit(word[i+1])
		switch {
		case r == '@',
			r == '.' && !last && (!amidDigits || dots > 1),
			r == '.' && strings.HasSuffix(strings.ToLower(string(word[:i])), "www"):
			b.WriteByte(' ')
		case r == '/' && i > 0 && word[i-1] == '/':
		case r == ':' && !last && !amidDigits:
			b.WriteString(": ")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func shorten(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return strings.TrimSpace(string(runes[:limit-1])) + "…"
	}
	return text
}

// greeting returns the name for the salutation, or nothing if it does not look like a name: at most four words, of
// letters, hyphens and apostrophes, and short abbreviations such as "J." and "Dr.".
func greeting(name string) string {
	words := strings.Fields(oneLine(name))
	name = strings.Join(words, " ")
	if len(words) > 4 || len([]rune(name)) > maxName {
		return ""
	}
	for _, word := range words {
		letters, abbreviated := strings.CutSuffix(word, ".")
		if abbreviated && len([]rune(letters)) > 2 {
			return ""
		}
		for _, r := range letters {
			if !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune("'’-", r) {
				return ""
			}
		}
	}
	return name
}
