package flow_test

// document is a definition with what must be said about it. The same table
// goes through the parser and through the JSON Schema.
type document struct {
	name string
	text string
	// wrong are the errors, each without the file name: line:column: path: and
	// the beginning of the text. None means that the definition is good.
	wrong []string
	// unseen is set where only the parser can tell.
	unseen bool
}

const head = "flow: 1\nlanguages: [en, de]\n"

func documents() []document {
	var all []document
	for _, part := range [][]document{good(), badTop(), badText(), badOptions(), badEntries()} {
		all = append(all, part...)
	}
	return all
}

func good() []document {
	return []document{
		{name: "smallest", text: "flow: 1\nlanguages: [en]\n"},
		{name: "texts plain and by language", text: head + `
welcome:
  say: { en: Hello, de: Hallo }
  choices: [Opening hours, { title: { en: Returns, de: Rückgabe }, value: returns }, { en: Help, de: Hilfe }]
  image: https://example.com/logo.png
faq:
  - id: opening-hours
    ask: { en: ["When are you open?", opening hours], de: Wann habt ihr offen }
    say: Monday to Friday
    image: { url: "https://example.com/a%20b.jpg", alt: { en: A map } }
  - id: returns
    ask: send back a parcel
    say: Print the label.
    buttons: [{ title: Account, url: "https://example.com/account" }, { title: Call, url: "tel:+491234" }, { title: Mail, url: "mailto:help@example.com" }]
  - { id: help, ask: [help, 24/7], handover: support }
did_you_mean: { say: Or this, none: { en: No, de: Nein } }
not_understood: { say: Sorry, choices: [help], suggest: false, handover: { after: 2, queue: support } }
nobody: { say: Nobody is here., buttons: [{ title: Mail, url: "mailto:help@example.com" }] }
`},
		{name: "numbers, dates and yes are text as written", text: head + `
faq: [{ id: 404, ask: [404, 1.50, 2024-01-01, yes, no, on, off], say: 2024, buttons: [7, Yes, { title: 1, value: 404 }] }]
`},
		{name: "the language no", text: "flow: 1\nlanguages: [no]\nwelcome: { say: { no: Hei } }\n"},
		{name: "not understood without a text", text: head + "not_understood: { suggest: true }\n"},
		{name: "an entry that only hands over", text: head + "faq: [{ id: a, ask: b, handover: q }]\n"},
		{name: "a block of text", text: head + "welcome:\n  say: |\n    One line.\n    Another: with a colon?\n"},
		{name: "a byte order mark", text: "\ufeffflow: 1\nlanguages: [en]\n"},
		{name: "Windows line ends", text: "flow: 1\r\nlanguages: [en]\r\nwelcome:\r\n  say: |\r\n    a\r\n    b\r\n"},
	}
}

func badTop() []document {
	return []document{
		{name: "no flow", text: "languages: [en]\n", wrong: []string{"1:1: flow: is missing"}},
		{name: "no languages", text: "flow: 1\n", wrong: []string{"1:1: languages: is missing"}},
		{name: "a list", text: "- flow: 1\n", wrong: []string{"1:1: the file is a list"}},
		{name: "a text", text: "flow:1\n", wrong: []string{"1:1: the file is the text \"flow:1\""}},
		{name: "other version", text: "flow: 2\nlanguages: [en]\n", wrong: []string{`1:7: flow: is the text "2"; this version reads flow: 1`}},
		{name: "version in quotes", text: "flow: \"1\"\nlanguages: [en]\n", wrong: []string{`1:7: flow: is the text "1"`}},
		{name: "scripts", text: head + "scripts: { a: {} }\n", wrong: []string{"3:1: scripts: scripts come with a later version"}},
		{name: "a misspelt key", text: head + "welcom: { say: Hi }\n", wrong: []string{"3:1: welcom: is not a known key; did you mean welcome?"}},
		{name: "a strange key", text: head + "colour: red\n", wrong: []string{"3:1: colour: is not a known key; known here: flow, languages,"}},
		{name: "a key twice", text: head + "nobody: { say: a }\nnobody: { say: b }\n", unseen: true,
			wrong: []string{"4:1: nobody: is given twice, first in line 3"}},
		{name: "a list as key", text: head + "[a]: b\n", unseen: true, wrong: []string{"3:1: a key must be one word"}},
		{name: "languages not a list", text: "flow: 1\nlanguages: en\n", wrong: []string{`2:12: languages: is the text "en"; write a list`}},
		{name: "no language in the list", text: "flow: 1\nlanguages: []\n", wrong: []string{"2:12: languages: is an empty list"}},
		{name: "not a language", text: "flow: 1\nlanguages: [English]\n", wrong: []string{`2:13: languages[0]: "English" is not a language`}},
		{name: "a language twice", text: "flow: 1\nlanguages: [en, en]\n", wrong: []string{"2:17: languages[1]: en is named twice"}},
		{name: "a language that is true", text: "flow: 1\nlanguages: [true]\n", wrong: []string{"2:13: languages[0]: is the switch true"}},
		{name: "suggest in words", text: head + "not_understood: { suggest: yes }\n",
			wrong: []string{`3:28: not_understood.suggest: is the text "yes"; write true or false`}},
		{name: "handover without a queue", text: head + "not_understood: { handover: { after: 2 } }\n",
			wrong: []string{"3:29: not_understood.handover: queue is missing"}},
		{name: "handover without a number", text: head + "not_understood: { handover: { queue: support } }\n",
			wrong: []string{"3:29: not_understood.handover: after is missing"}},
		{name: "handover after nothing", text: head + "not_understood: { handover: { after: 0, queue: q } }\n",
			wrong: []string{`3:38: not_understood.handover.after: is the text "0"; write a whole number from 1 to 100`}},
		{name: "handover after half", text: head + "not_understood: { handover: { after: 1.5, queue: q } }\n",
			wrong: []string{`3:38: not_understood.handover.after: is the text "1.5"`}},
		{name: "handover as text", text: head + "not_understood: { handover: support }\n",
			wrong: []string{`3:29: not_understood.handover: is the text "support"; it needs keys: after, queue`}},
		{name: "did_you_mean empty", text: head + "did_you_mean: {}\n", wrong: []string{"3:15: did_you_mean: is empty"}},
		{name: "nobody silent", text: head + "nobody: {}\n", wrong: []string{"3:9: nobody: say is missing"}},
		{name: "welcome silent", text: head + "welcome: {}\n", wrong: []string{"3:10: welcome: say is missing"}},
		{name: "welcome as text", text: head + "welcome: Hello\n", wrong: []string{`3:10: welcome: is the text "Hello"; it needs keys: say, buttons, choices, image`}},
	}
}

func badText() []document {
	const at = head + "welcome:\n  say: "
	return []document{
		{name: "empty", text: at + "\n", wrong: []string{"4:7: welcome.say: is empty"}},
		{name: "only spaces", text: at + "\"  \"\n", wrong: []string{"4:8: welcome.say: is empty"}},
		{name: "a comment", text: at + "# 1 in the world\n", wrong: []string{"4:7: welcome.say: is empty; write a text or leave the key out, and put text that begins with # into quotes"}},
		{name: "true", text: at + "true\n", wrong: []string{"4:8: welcome.say: is the switch true; put it into quotes"}},
		{name: "a list", text: at + "[a, b]\n", wrong: []string{"4:8: welcome.say: is a list; one text belongs here"}},
		{name: "a language not spoken", text: at + "{ en: Hi, fr: Salut }\n",
			unseen: true, wrong: []string{"4:18: welcome.say.fr: fr is not one of the languages [en, de]"}},
		{name: "not a language", text: at + "{ text: Hi }\n", wrong: []string{`4:10: welcome.say.text: a text, or one for each language, belongs here, and "text" is not a language`}},
		{name: "no language", text: at + "{}\n", wrong: []string{"4:8: welcome.say: is empty"}},
		{name: "a language twice", text: at + "{ en: Hi, en: Hello }\n", unseen: true, wrong: []string{"4:18: welcome.say.en: is given twice"}},
		{name: "an anchor", text: at + "&friends welcome\n", unseen: true, wrong: []string{"4:8: welcome.say: &friends names a place of the file"}},
		{name: "an alias", text: head + "nobody: { say: &a Hi }\nwelcome: { say: *a }\n", unseen: true,
			wrong: []string{"3:16: nobody.say: &a names a place", "4:17: welcome.say: *a refers to another place"}},
		{name: "a bomb of aliases",
			text:  head + "faq: &a [1,1,1,1]\nnobody: &b [*a,*a,*a,*a]\nwelcome: [*b,*b,*b,*b]\n",
			wrong: []string{"3:6: faq: &a names a place", "4:9: nobody: &b names a place", "5:10: welcome: is a list"}},
		{name: "a tag", text: at + "!important\n", unseen: true, wrong: []string{"4:8: welcome.say: !important is taken for a tag"}},
		{name: "binary", text: at + "!!binary aGk=\n", unseen: true, wrong: []string{"4:8: welcome.say: has the tag !!binary"}},
		{name: "a control character", text: at + `"a\0b"` + "\n", wrong: []string{"4:8: welcome.say: has a control character"}},
		{name: "too long", text: at + repeat("a", 4001) + "\n", wrong: []string{"4:8: welcome.say: has 4001 characters, the limit is 4000"}},
	}
}

func badOptions() []document {
	const at = head + "welcome:\n  say: Hi\n  "
	return []document{
		{name: "buttons and choices", text: at + "buttons: [a]\n  choices: [b]\n", wrong: []string{"6:12: welcome.choices: one text has buttons or choices"}},
		{name: "no text above", text: head + "welcome:\n  image: http://e.example/a.png\n  choices: [a]\n", wrong: []string{"4:3: welcome: say is missing; buttons and choices stand under a text"}},
		{name: "an empty list", text: at + "choices: []\n", wrong: []string{"5:12: welcome.choices: is an empty list"}},
		{name: "one choice", text: at + "choices: a\n", wrong: []string{`5:12: welcome.choices: is the text "a"; write a list`}},
		{name: "an empty choice", text: at + "choices: [\"\"]\n", wrong: []string{"5:13: welcome.choices[0]: is empty"}},
		{name: "no title", text: at + "choices: [{ value: a }]\n", wrong: []string{"5:13: welcome.choices[0]: title is missing"}},
		{name: "a choice with an address", text: at + "choices: [{ title: a, url: https://example.com }]\n",
			wrong: []string{"5:30: welcome.choices[0].url: a choice cannot open an address"}},
		{name: "value and address", text: at + "buttons: [{ title: a, value: b, url: https://example.com }]\n",
			wrong: []string{"5:40: welcome.buttons[0].url: a button sends a value or opens a url, not both"}},
		{name: "an address that runs code", text: at + "buttons: [{ title: a, url: 'javascript:alert(1)' }]\n",
			wrong: []string{`5:30: welcome.buttons[0].url: "javascript:alert(1)" does not begin with http:, https:, mailto:, tel:`}},
		{name: "a bare host", text: at + "buttons: [{ title: a, url: www.example.com }]\n", wrong: []string{"5:30: welcome.buttons[0].url:"}},
		{name: "no host", text: at + "buttons: [{ title: a, url: 'https:///a' }]\n", wrong: []string{`5:30: welcome.buttons[0].url: "https:///a" is not a whole address`}},
		{name: "a space in an address", text: at + "buttons: [{ title: a, url: 'https://example.com/a b' }]\n", wrong: []string{"5:30: welcome.buttons[0].url: has a space in it"}},
		{name: "no number to call", text: at + "buttons: [{ title: a, url: 'tel:' }]\n", wrong: []string{`5:30: welcome.buttons[0].url: "tel:" is not a whole address`}},
		{name: "a picture by mail", text: at + "image: mailto:a@example.com\n", wrong: []string{"5:10: welcome.image:"}},
		{name: "a picture without address", text: at + "image: { alt: a }\n", wrong: []string{"5:10: welcome.image: url is missing"}},
		{name: "too many", text: at + "choices: [" + repeat("a,", 21) + "]\n", wrong: []string{"5:12: welcome.choices: has 21 items, the limit is 20"}},
		{name: "a long title", text: at + "choices: [" + repeat("a", 101) + "]\n", wrong: []string{"5:13: welcome.choices[0]: has 101 characters, the limit is 100"}},
		{name: "a key that is no language", text: at + "choices: [{ titel: a }]\n",
			wrong: []string{"5:13: welcome.choices[0]: title is missing", "5:15: welcome.choices[0].titel: is not a known key; did you mean title?"}},
	}
}

func badEntries() []document {
	const at = head + "faq:\n  - "
	return []document{
		{name: "no entries", text: head + "faq: []\n", wrong: []string{"3:6: faq: is an empty list"}},
		{name: "a mapping of entries", text: head + "faq: { a: b }\n", wrong: []string{"3:6: faq: is a mapping"}},
		{name: "an entry as text", text: at + "hello\n", wrong: []string{`4:5: faq[0]: is the text "hello"; it needs keys: id, ask, say`}},
		{name: "no id", text: at + "{ ask: a, say: b }\n", wrong: []string{"4:5: faq[0]: id is missing"}},
		{name: "an id of two words", text: at + "{ id: my id, say: b }\n", wrong: []string{`4:11: faq[0].id: is the text "my id"; an id is one word`}},
		{name: "an id that is true", text: at + "{ id: true, say: b }\n", wrong: []string{"4:11: faq[0].id: is the switch true"}},
		{name: "an id twice", text: at + "{ id: a, say: b }\n  - { id: a, say: c }\n", unseen: true,
			wrong: []string{"5:11: faq[1].id: a is the id of the entry in line 4 too"}},
		{name: "nothing to say", text: at + "{ id: a, ask: b }\n", wrong: []string{"4:5: faq[0]: say is missing"}},
		{name: "nothing asked", text: at + "{ id: a, ask: [], say: b }\n", wrong: []string{"4:19: faq[0].ask: is an empty list"}},
		{name: "an empty phrasing", text: at + "{ id: a, ask: [b, \"\"], say: c }\n", wrong: []string{"4:23: faq[0].ask[1]: is empty"}},
		{name: "an empty phrasing in German", text: at + "{ id: a, ask: { en: b, de: [c, ~] }, say: c }\n", wrong: []string{"4:36: faq[0].ask.de[1]: is empty"}},
		{name: "a list in a list", text: at + "{ id: a, ask: [[b]], say: c }\n", wrong: []string{"4:20: faq[0].ask[0]: is a list"}},
		{name: "an answer by another name", text: at + "{ id: a, ask: b, sya: c }\n",
			wrong: []string{"4:5: faq[0]: say is missing", "4:22: faq[0].sya: is not a known key; did you mean say?"}},
		{name: "a queue of two words", text: at + "{ id: a, ask: b, handover: the desk }\n", wrong: []string{`4:32: faq[0].handover: is the text "the desk"`}},
		{name: "everything at once", text: "flow: 3\nlanguages: [en]\nwelcome: { says: Hi }\nfaq:\n  - { id: a b, ask: [], say: { de: x } }\n  - {}\nnobdy: 1\n",
			wrong: []string{
				"1:7: flow:", "3:10: welcome: say is missing", "3:12: welcome.says: is not a known key; did you mean say?",
				"5:11: faq[0].id:", "5:21: faq[0].ask:", "5:32: faq[0].say.de: de is not one of", "6:5: faq[1]: id is missing", "6:5: faq[1]: say is missing",
				"7:1: nobdy: is not a known key; did you mean nobody?",
			}},
	}
}
