package notify

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
)

// Receiver is where messages go, and in which form. [ParseReceiver] makes one. It
// never prints.
type Receiver struct {
	address string
	form    form
	topic   string // of ntfy
}

type form string

// The forms; docs/notify.md has them.
const (
	plain   form = "json" // title, body and type as Apprise takes them, and what happened in fields of its own
	apprise form = "apprise"
	ntfy    form = "ntfy"
	discord form = "discord"
)

// ParseReceiver reads an http or https address. Its errors do not quote it: what
// follows the host is often a password. The form is told by the address: a webhook
// of discord.com, a topic at ntfy.sh or a host named ntfy, a path with /notify of
// Apprise; or by what is behind "#", which is never sent.
func ParseReceiver(address string) (Receiver, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "" || len(address) > 2048 {
		return Receiver{}, errors.New("is no address such as https://ntfy.sh/topic")
	}
	r := Receiver{form: form(u.Fragment)}
	u.Fragment, u.RawFragment = "", ""
	switch r.form {
	case "":
		r.form = guess(u)
	case plain, apprise, ntfy, discord:
	default:
		return Receiver{}, errors.New("names a form behind # that there is not; write #json, #apprise, #ntfy or #discord, or nothing")
	}
	if r.form == ntfy {
		// JSON goes to the address above the topic: https://docs.ntfy.sh/publish/#publish-as-json
		path := strings.TrimRight(u.EscapedPath(), "/")
		slash := strings.LastIndexByte(path, '/')
		if r.topic = path[slash+1:]; !isTopic(r.topic) {
			return Receiver{}, errors.New("has no topic of ntfy at its end, of at most 64 letters, digits, - and _")
		}
		u.Path, u.RawPath = u.Path[:strings.LastIndexByte(strings.TrimRight(u.Path, "/"), '/')+1], ""
	}
	r.address = u.String()
	return r, nil
}

func guess(u *url.URL) form {
	host := strings.ToLower(u.Hostname())
	switch {
	case (host == "discord.com" || host == "discordapp.com" || strings.HasSuffix(host, ".discord.com")) && strings.HasPrefix(u.Path, "/api/"):
		return discord
	case host == "ntfy" || strings.HasPrefix(host, "ntfy."):
		return ntfy
	case strings.Contains(u.Path+"/", "/notify/"):
		return apprise
	}
	return plain
}

func isTopic(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// String hides the address.
func (Receiver) String() string { return "(hidden)" }

// GoString hides the address.
func (Receiver) GoString() string { return "(hidden)" }

// body is a message as the receiver takes it.
func (r Receiver) body(m Message) ([]byte, error) {
	title, text := m.title(), m.text()
	switch r.form {
	case discord:
		return json.Marshal(discordBody(title, text))
	case ntfy:
		return json.Marshal(ntfyBody{Topic: r.topic, Title: title, Message: text})
	case apprise:
		return json.Marshal(appriseBody{title, text, "info", "text"})
	}
	return json.Marshal(plainBody{appriseBody{title, text, "info", "text"}, m.Event, m.At.UTC(), m.Account, cut(mute(m.Name), maxName), cut(mute(m.Username), maxName),
		m.App, cut(mute(m.Words), maxWords), cut(mute(m.Device), maxName), m.Address, m.RequestID})
}

// plainBody is a message with what happened in fields, for programs.
type plainBody struct {
	appriseBody
	Event     string    `json:"event"`
	At        time.Time `json:"at"`
	UserID    int64     `json:"user_id"`
	Name      string    `json:"name"`
	User      string    `json:"user"`
	App       string    `json:"app"`
	Words     string    `json:"words"`
	Device    string    `json:"device"`
	IP        string    `json:"ip"`
	RequestID string    `json:"request_id"`
}

// appriseBody is a message for the API of Apprise, which asks for body alone.
// https://github.com/caronc/apprise-api#api-details
type appriseBody struct {
	Title  string `json:"title"`
	Body   string `json:"body"`
	Type   string `json:"type"`
	Format string `json:"format"`
}

// ntfyBody is a message for ntfy, which asks for topic alone and makes an attachment
// of a text of more than 4096 bytes. https://docs.ntfy.sh/publish/#publish-as-json
type ntfyBody struct {
	Topic   string `json:"topic"`
	Title   string `json:"title"`
	Message string `json:"message"`
}

// discordMessage is a message for a webhook of Discord, which asks for one of content
// and others, and takes 2000 characters.
// https://docs.discord.com/developers/resources/webhook#execute-webhook
type discordMessage struct {
	Content         string          `json:"content"`
	AllowedMentions discordMentions `json:"allowed_mentions"`
	Flags           int             `json:"flags"`
}

type discordMentions struct {
	Parse []string `json:"parse"` // empty: nobody is mentioned, whatever the text says
}

const suppressEmbeds = 1 << 2 // links of people's own show nothing of where they lead

func discordBody(title, text string) discordMessage {
	return discordMessage{"**" + literal(title) + "**\n" + literal(text), discordMentions{[]string{}}, suppressEmbeds}
}
