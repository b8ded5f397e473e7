package sqlstore

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

const (
	maxErrorText = 2000
	maxKey       = 1024
)

// safeText makes text storable in both engines and bounds it.
func safeText(s string, limit int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// keyText refuses a key that the engines would not store alike.
func keyText(field, s string) error {
	switch {
	case len(s) > maxKey:
		return fault.Field(field, "is longer than %d bytes", maxKey)
	case strings.ContainsRune(s, 0):
		return fault.Field(field, "holds a NUL byte")
	case !utf8.ValidString(s):
		return fault.Field(field, "is not valid UTF-8")
	}
	return nil
}

// prepare checks a step and encodes its contents, on the caller's goroutine.
func prepare(step any) (any, []string, error) {
	step, err := checked(step)
	if err != nil {
		return nil, nil, err
	}
	in, said := draftsOf(step)
	if in == nil && len(said) == 0 {
		return step, nil, nil
	}
	contents := make([]string, 0, 1+len(said))
	if in != nil {
		content, err := encodeDraft(in, func() string { return "draft" })
		if err != nil {
			return nil, nil, err
		}
		contents = append(contents, content)
	}
	for i := range said {
		content, err := encodeDraft(&said[i], func() string { return fmt.Sprintf("entries[%d]", i) })
		if err != nil {
			return nil, nil, err
		}
		contents = append(contents, content)
	}
	if s, ok := step.(store.Accept); ok && s.Dedupe != nil && s.Dedupe.HashContent {
		known := *s.Dedupe
		known.Hash = hashOf(contents[0])
		s.Dedupe = &known
		return s, contents, nil
	}
	return step, contents, nil
}

// encodeDraft checks a draft and encodes its content; path names the draft in a
// refusal.
func encodeDraft(d *chat.Draft, path func() string) (string, error) {
	at := func(field string) string { return path() + "." + field }
	switch {
	case authorKinds.code(d.Author.Kind) == 0:
		return "", fault.Field(at("author.kind"), "%q is not known", d.Author.Kind)
	case visibilities.code(d.Visibility) == 0:
		return "", fault.Field(at("visibility"), "%q is not known", d.Visibility)
	case purposes.code(d.Purpose) == 0:
		return "", fault.Field(at("purpose"), "%q is not known", d.Purpose)
	case (d.Purpose == chat.Edit || d.Purpose == chat.Deletion) && d.Target <= 0:
		return "", fault.Field(at("target"), "an edit or a deletion needs the entry it is about")
	}
	if bad := first(keyText("author.id", d.Author.ID), keyText("content.mark", string(d.Content.Mark))); bad != nil {
		return "", fault.Field(path(), "%s", fault.Message(bad))
	}
	if d.Purpose == chat.Deletion {
		return placeholder, nil
	}
	if err := d.Content.Validate(); err != nil {
		return "", &fault.Error{Kind: fault.Invalid, Field: at("content"), Safe: err.Error()}
	}
	b, err := chat.EncodeContent(d.Content)
	if err != nil {
		return "", &fault.Error{Kind: fault.Invalid, Field: at("content"), Safe: "cannot be written as JSON", Cause: err}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil
}

// checked refuses a step that breaks a rule and returns it with texts made
// safe. It copies what it changes: the caller may use the step again.
func checked(step any) (any, error) {
	switch s := step.(type) {
	case store.OpenPlace:
		return checkedPlace(s)
	case store.Accept:
		return checkedAccept(s)
	case store.MoveControl:
		s.Change = safeChange(s.Change)
		return s, nil
	case store.FinishTurn:
		if c := s.Reply.Change; c != nil {
			safe := safeChange(*c)
			s.Reply.Change = &safe
		}
		return s, nil
	case store.UseOnce:
		return s, first(keyText("kind", s.Kind), keyText("key", s.Key))
	case store.ConfirmRead:
		return s, keyText("reader", s.Reader)
	case store.RenewLease:
		if s.Node == "" {
			return nil, fault.Field("node", "is empty")
		}
		return s, keyText("node", s.Node)
	case store.ClaimTurns:
		if s.Owner.Node == "" {
			return nil, fault.Field("owner.node", "is empty")
		}
		return s, keyText("owner.node", s.Owner.Node)
	case store.PutCatalog:
		return checkedCatalog(s)
	case store.CreateToken:
		return checkedToken(s)
	case store.Append:
		return checkedAppend(s)
	default:
		return checkedDelivery(step)
	}
}

func checkedPlace(s store.OpenPlace) (any, error) {
	switch {
	case s.Channel == "":
		return nil, fault.Field("channel", "is empty")
	case s.Place == "":
		return nil, fault.Field("place", "is empty")
	case legModes.code(s.Mode) == 0:
		return nil, fault.Field("mode", "%q is not known", s.Mode)
	}
	s.Person.Name = safeText(s.Person.Name, maxKey)
	return s, first(keyText("channel", string(s.Channel)), keyText("channel_type", s.ChannelType), keyText("place", s.Place),
		keyText("person.external_id", s.Person.ExternalID), keyText("thread", s.Thread))
}

func checkedAccept(s store.Accept) (any, error) {
	if s.Dedupe != nil {
		if err := keyText("dedupe.key", s.Dedupe.Key); err != nil {
			return nil, err
		}
	}
	if s.Fold != nil && s.Fold.Reply.Change != nil {
		fold, change := *s.Fold, safeChange(*s.Fold.Reply.Change)
		fold.Reply.Change = &change
		s.Fold = &fold
	}
	if s.Take != nil {
		take, err := checkedTake(*s.Take)
		if err != nil {
			return nil, err
		}
		s.Take = take
	}
	return s, first(keyText("answerer.name", s.Answerer.Name), keyText("owner.node", s.Owner.Node), keyText("external", s.External), checkedRoom("room", s.Room))
}

func checkedCatalog(s store.PutCatalog) (any, error) {
	for i, item := range s.Items {
		if item.Kind == "" || item.Name == "" {
			return nil, fault.Field(fmt.Sprintf("items[%d]", i), "needs a kind and a name")
		}
		if err := first(keyText(fmt.Sprintf("items[%d].kind", i), string(item.Kind)), keyText(fmt.Sprintf("items[%d].name", i), item.Name)); err != nil {
			return nil, err
		}
	}
	for i, secret := range s.Secrets {
		if secret.ID == "" {
			return nil, fault.Field(fmt.Sprintf("secrets[%d].id", i), "is empty")
		}
		if err := keyText(fmt.Sprintf("secrets[%d].id", i), secret.ID); err != nil {
			return nil, err
		}
	}
	s.Actor, s.Note = safeText(s.Actor, maxKey), safeText(s.Note, maxErrorText)
	return s, nil
}

func safeChange(c chat.Change) chat.Change {
	c.Queue, c.Agent, c.Outcome = safeText(c.Queue, maxKey), safeText(c.Agent, maxKey), safeText(c.Outcome, maxKey)
	return c
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
