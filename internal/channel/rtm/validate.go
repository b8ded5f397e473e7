package rtm

import (
	"encoding/json"
	"fmt"
	"strings"

	"parley/internal/chat"
	"parley/internal/fault"
)

const (
	// maxNative bounds a channel's own form, in bytes.
	maxNative = 64 << 10
	// maxOptions bounds what one message offers to press.
	maxOptions = 100
	// maxRenderDelay bounds how long a client is told to wait, in ms.
	maxRenderDelay = 30_000
)

// Validate refuses content that a client could not show. It must be asked
// before content is stored: a template whose fields the renderer misses freezes
// the web window for good (W10), and it would come back with history on every
// visit. Errors are fault.Invalid and name the field.
func Validate(c chat.Content) error {
	if native, has := c.Native[Name]; has {
		return validateNative(c, native)
	}
	switch c.Type {
	case chat.TypeChoices:
		if c.Choices == nil {
			return fault.Field("choices", "is missing")
		}
		return validateOptions("choices.options", c.Choices.Options)
	case chat.TypeCards:
		for i, card := range c.Cards {
			at := fmt.Sprintf("cards[%d]", i)
			if strings.TrimSpace(card.Title) == "" {
				return fault.Field(at+".title", "is empty; the web window needs one")
			}
			if card.ImageURL != "" && !isHTTP(card.ImageURL) {
				return fault.Field(at+".image_url", "is not an http or https address")
			}
			if err := validateOptions(at+".options", card.Options); err != nil {
				return err
			}
		}
	case chat.TypeFile:
		if c.File != nil && !isHTTP(c.File.URL) {
			return fault.Field("file.url", "is not an http or https address")
		}
	}
	return nil
}

func validateOptions(at string, options []chat.Option) error {
	if len(options) > maxOptions {
		return fault.Field(at, "has %d options; %d is the most", len(options), maxOptions)
	}
	for i, o := range options {
		switch {
		case strings.TrimSpace(o.Title) == "":
			return fault.Field(fmt.Sprintf("%s[%d].title", at, i), "is empty")
		case o.Value == "" && o.URL == "":
			return fault.Field(fmt.Sprintf("%s[%d]", at, i), "needs a value or a url")
		case o.URL != "" && !isLink(o.URL):
			return fault.Field(fmt.Sprintf("%s[%d].url", at, i), "must begin with https:, http:, mailto: or tel:")
		}
	}
	return nil
}

// isLink keeps script addresses out of buttons.
func isLink(s string) bool {
	lower := strings.ToLower(s)
	return isHTTP(s) || strings.HasPrefix(lower, "mailto:") || strings.HasPrefix(lower, "tel:")
}

const nativePath = "native.rtm"

// validateNative checks the escape hatch: {"type","payload"} or the bare
// payload of a template.
func validateNative(c chat.Content, native json.RawMessage) error {
	if len(native) > maxNative {
		return fault.Field(nativePath, "is larger than %d bytes", maxNative)
	}
	var tree any
	if err := json.Unmarshal(native, &tree); err != nil {
		return fault.Field(nativePath, "is not valid JSON")
	}
	if strings.TrimSpace(c.Text) == "" {
		return fault.Field("text", "is empty; it is what a client without the template shows")
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return fault.Field(nativePath, "is not an object; Android drops a payload that is text")
	}
	payload, wrapped := object["payload"]
	typ, _ := object["type"].(string)
	if typ == "" || !wrapped {
		return validateTemplate(nativePath, object)
	}
	inner, ok := payload.(map[string]any)
	if !ok {
		return fault.Field(nativePath+".payload", "is not an object")
	}
	switch typ {
	case "template":
		return validateTemplate(nativePath+".payload", inner)
	case "image", "audio", "video", "link":
		return hasFields(need{"url", link}).check(nativePath+".payload", inner)
	case "error":
		return hasFields(need{"text", text}).check(nativePath+".payload", inner)
	}
	return fault.Field(nativePath+".type", "%q is not known; use template, image, audio, video, link or error", typ)
}

func validateTemplate(at string, payload map[string]any) error {
	typ, _ := payload["template_type"].(string)
	if typ == "" {
		return fault.Field(at+".template_type", "is missing")
	}
	if typ == "wait_for_response" {
		return fault.Field(at+".template_type", "%s prints its fall-back text in web windows; leave it out", typ)
	}
	if delay, has := payload["renderDelay"]; has {
		if ms, ok := delay.(float64); !ok || ms < 0 || ms > maxRenderDelay {
			return fault.Field(at+".renderDelay", "is not a number of milliseconds up to %d", maxRenderDelay)
		}
	}
	if rule, known := templates()[typ]; known {
		return rule.check(at, payload)
	}
	if text.check("", payload["text"]) != nil {
		return fault.Field(at+".template_type", "%q is not known, and a client that does not know it needs text to show", typ)
	}
	return nil
}
