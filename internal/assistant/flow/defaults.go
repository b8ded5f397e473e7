package flow

import "strings"

// wording is what the assistant says when its author left a text out.
type wording struct {
	lang                                    string
	notUnderstood, didYouMean, none, nobody string
}

// wordings returns the built-in texts; the first serves all other languages.
func wordings() []wording {
	return []wording{{
		lang:          "en",
		notUnderstood: "Sorry, I did not understand that. Could you say it in other words?",
		didYouMean:    "Did you mean one of these?",
		none:          "None of these",
		nobody:        "Sorry, nobody can be reached right now. I am still here for your questions.",
	}, {
		lang:          "de",
		notUnderstood: "Das habe ich leider nicht verstanden. Können Sie es anders sagen?",
		didYouMean:    "Meinten Sie etwas davon?",
		none:          "Nichts davon",
		nobody:        "Leider ist gerade niemand zu erreichen. Ihre Fragen beantworte ich weiter, so gut ich kann.",
	}, {
		lang:          "es",
		notUnderstood: "Lo siento, no lo he entendido. ¿Puede decirlo de otra manera?",
		didYouMean:    "¿Se refiere a algo de esto?",
		none:          "Nada de esto",
		nobody:        "Lo siento, ahora mismo no hay nadie disponible. Yo sigo aquí para sus preguntas.",
	}, {
		lang:          "fr",
		notUnderstood: "Désolé, je n'ai pas compris. Pouvez-vous le dire autrement ?",
		didYouMean:    "Vouliez-vous dire l'une de ces questions ?",
		none:          "Aucune de celles-ci",
		nobody:        "Désolé, personne n'est joignable pour le moment. Je reste là pour vos questions.",
	}, {
		lang:          "ru",
		notUnderstood: "Простите, я не понял. Скажите, пожалуйста, другими словами.",
		didYouMean:    "Вы имели в виду что-то из этого?",
		none:          "Ничего из этого",
		nobody:        "К сожалению, сейчас никого нет на связи. На вопросы по-прежнему отвечаю я.",
	}}
}

// fillDefaults says in the built-in words what the author left out. A text the
// author wrote in some languages only is not mixed with built-in ones: it falls
// back like any other text.
func (d *definition) fillDefaults() {
	fill := func(t *texts, pick func(wording) string) {
		if !t.empty() {
			return
		}
		t.by = make([]string, len(d.languages))
		for i, lang := range d.languages {
			t.by[i] = pick(wordingFor(lang))
		}
	}
	fill(&d.notUnderstood.say, func(w wording) string { return w.notUnderstood })
	fill(&d.nobody.say, func(w wording) string { return w.nobody })
	fill(&d.suggestSay, func(w wording) string { return w.didYouMean })
	fill(&d.suggestNone, func(w wording) string { return w.none })
}

func wordingFor(lang string) wording {
	all := wordings()
	for _, w := range all {
		if strings.EqualFold(w.lang, baseOf(lang)) {
			return w
		}
	}
	return all[0]
}

// baseOf returns the language of a tag without region or script.
func baseOf(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return base
}
