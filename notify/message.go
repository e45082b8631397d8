package notify

import (
	"cmp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a [Message] is about.
const (
	Ask       = "ask"        // somebody who was refused asks to be let in
	NewDevice = "new_device" // somebody signed in with a device that they had not used
)

// Message is something that happened. It has no token, cookie, query or path; fields
// may be empty.
type Message struct {
	Event          string // Ask or NewDevice
	At             time.Time
	Account        int64 // numeric Plex id
	Name, Username string
	App            string // the host that was asked for, or of the page where they signed in
	Words          string // the person's own, with Ask
	Device         string // browser and system, with NewDevice
	Address        string // of the device
	RequestID      string // of the refusal, with Ask
	Desk           bool   // there is one to answer at, with Ask
}

// Bounds of what people call themselves and write, in characters. With them a
// message stays below the 2000 of Discord also where each is escaped.
const (
	maxName  = 60
	maxWords = 300
)

func (m Message) who() string {
	return cmp.Or(cut(mute(m.Name), maxName), cut(mute(m.Username), maxName), "plex-"+strconv.FormatInt(m.Account, 10))
}

func (m Message) title() string {
	if m.Event == Ask {
		return m.who() + " asks to be let in"
	}
	return m.who() + " signed in with a new device"
}

func (m Message) text() string {
	var lines []string
	if m.Event == Ask {
		lines = append(lines, "They were refused at "+cmp.Or(cut(mute(m.App), 253), "an app")+".")
		if words := cut(mute(m.Words), maxWords); words != "" {
			lines = append(lines, "They write: “"+words+"”")
		}
		if m.Desk {
			lines = append(lines, "Answer at Usher’s desk, or share with them in Plex.")
		} else {
			lines = append(lines, "Answer by sharing with them in Plex.")
		}
	} else {
		line := cmp.Or(cut(mute(m.Device), maxName), "An unknown device")
		if m.Address != "" {
			line += ", from " + cut(mute(m.Address), maxName)
		}
		lines = append(lines, line+", at "+cmp.Or(cut(mute(m.App), 253), "Usher")+".")
	}
	account := "Plex id " + strconv.FormatInt(m.Account, 10)
	if username := cut(mute(m.Username), maxName); username != "" {
		account += ", " + username
	}
	if m.RequestID != "" {
		account += ", request id " + cut(mute(m.RequestID), maxName)
	}
	return strings.Join(append(lines, account), "\n")
}

// mute makes people's own words harmless for messengers behind the receiver, whichever
// they are: one line, without control or invisible characters, and with a gap behind
// what begins a mention, as in @everyone or <!channel>.
func mute(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "") {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || unicode.In(r, unicode.Zl, unicode.Zp):
			b.WriteByte(' ')
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
		case r == '@' || r == '<':
			b.WriteRune(r)
			b.WriteRune('\u200b')
		default:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:most-1])) + "…"
}

// literal is a text that Discord shows as it is.
// https://support.discord.com/hc/en-us/articles/210298617
func literal(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && strings.ContainsRune("\\`*_~|<>[]()#@:-.!+=", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
