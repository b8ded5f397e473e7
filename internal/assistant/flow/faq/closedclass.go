package faq

import "strings"

// class says how much a word can tell about the subject of a question.
type class uint8

const (
	content  class = iota // may carry the subject
	question              // asks for a kind of answer: when, how much, why
	negation              // turns the sense: not, without
	function              // grammar, light verbs, politeness, times of day
	number                // digits and numerals; they vary from asker to asker
)

// classWeight scales the rarity of a word by what its class can tell.
var classWeight = [...]float64{content: 1, question: 0.45, negation: 0.3, function: 0.12, number: 0.25}

// closed holds the closed-class words of one language. The lists are general
// grammar-book lists; a word which names a subject has no place in them.
type closed struct{ questions, negations, numbers, functions string }

// closedClasses has one row a language. A language without a row is searched
// all the same, its small words are then only told by being frequent.
var closedClasses = map[string]closed{
	"en": {
		questions: `how what whats when where wheres which who whos whom whose why many much often long`,
		negations: `not no never none nothing cannot cant dont doesnt didnt wont isnt arent wasnt werent
			havent hasnt hadnt couldnt wouldnt shouldnt without nor neither nobody`,
		numbers: `zero two three four five six seven eight nine ten eleven twelve twenty thirty fifty hundred
			thousand second third half dozen`,
		functions: `a an the this that thats these those some any each every either both all other another
			such same own one ones i im ive id ill me my mine myself you youre youve your yours yourself
			he his him himself she her hers it its itself we were weve our ours us they theyre them their
			theirs there theres here someone somebody something anyone anybody anything everyone
			everybody everything be am is are was been being have has had having do does did doing done
			can could may might must shall should will would to of in on at by for from with about
			into onto over under after before between through during against up down out off around
			again since until till per as than like and or but if so because while though although
			then also too very really quite just only even still already yet now today tonight tomorrow
			yesterday ago soon later always sometimes ever once twice maybe perhaps actually monday tuesday wednesday thursday friday saturday sunday weekend please pls
			hi hello hey dear good morning evening afternoon day days week weeks month months year years
			hour hours minute minutes time times last next first thanks thank thx cheers sorry ok okay
			yes well oh want wanted wanna need needs needed get gets getting got gotten give go goes
			going gone went come comes came let make makes made take takes took put know think thought
			say says said tell see try tried trying help possible able new old thing things stuff way
			bit lot more most less few little lol btw anyway else`,
	},
	"de": {
		questions: `wie was wann wo wohin woher welche welcher welches welchen welchem wer wen wem wessen
			warum wieso weshalb wozu womit woran wieviel wieviele viel viele lange oft`,
		negations: `nicht nichts kein keine keinen keinem keiner keines nie niemals niemand ohne weder nirgends`,
		numbers: `null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig fünfzig
			hundert tausend zweite zweiten dritte dritten halb halbe halben`,
		functions: `der die das den dem des ein eine einen einem einer eines dieser diese dieses diesen
			diesem jeder jede jedes jeden jedem alle alles allen aller man ich du er sie es wir ihr mich
			mir dich dir ihn ihm ihnen uns euch mein meine meinen meinem meiner meines dein deine deinen
			deinem deiner sein seine seinen seinem seiner ihre ihren ihrem ihrer unser unsere unseren
			unserem unserer euer eure euren sich selbst jemand etwas irgendwas irgendwie bin bist ist
			sind seid war waren warst wäre gewesen habe hab hast hat haben habt hatte hatten hätte gehabt
			werde wirst wird werden werdet wurde wurden würde worden kann kannst können könnt konnte
			könnte könnten darf dürfen durfte muss müssen musste soll sollen sollte will willst wollen
			wollte möchte möchten mag mal machen macht mache gemacht tun tut getan geht gehen ging
			gegangen kommt kommen kam gekommen gibt gibts geben gab gebe lassen lässt brauche braucht
			brauchen bekomme bekommen bekommt krieg kriege kriegen kriegt weiß wissen in im ins an am
			ans auf aus bei beim bis durch für gegen hinter mit nach neben über um unter von vom vor
			wegen zu zum zur zwischen seit ab als wenn dass ob weil damit und oder aber denn doch noch
			schon auch nur sehr ganz so dann da dort hier her hin jetzt heute morgen gestern immer
			wieder bald später gerade eben eigentlich überhaupt vielleicht leider bitte danke hallo hi
			hey guten tag abend moin servus liebe lieber grüße gruß ja nein ok okay tage tagen woche
			wochen monat monate monaten jahr jahre jahren stunde stunden minute minuten uhr zeit mehr
			weniger letzte letzten letzter letztes nächste nächsten nächster neu neue neuen neuer neues
			neuem alt alte alten alter ding sache hilfe helfen möglich gut montag dienstag mittwoch donnerstag freitag samstag sonntag wochenende`,
	},
	"es": {
		questions: `cómo qué cuándo dónde adónde cuál cuáles quién quiénes cuánto cuánta cuántos cuántas porqué`,
		negations: `no nada nadie nunca ningún ninguno ninguna sin ni tampoco jamás`,
		numbers: `cero dos tres cuatro cinco seis siete ocho nueve diez once doce veinte treinta cincuenta cien
			ciento mil segundo segunda tercero tercera medio media`,
		functions: `el la los las lo un una unos unas este esta esto estos estas ese esa eso esos esas
			aquel aquella yo tú él ella nosotros vosotros ellos ellas usted ustedes me te se nos os le
			les mi mis tu tus su sus mío mía nuestro nuestra vuestro vuestra algo alguien algún alguno
			alguna todo toda todos todas otro otra otros otras mismo misma cada soy eres es somos son era
			eran fue fueron ser sido siendo estoy estás está estamos están estaba estar estado he has ha
			hemos han había haber hay tengo tienes tiene tenemos tienen tenía tener tenido hago haces
			hace hacemos hacen hacer hecho hice hizo puedo puedes puede podemos pueden poder podría
			podríais podrían podéis quiero quieres quiere queremos quieren querer quería quisiera
			necesito necesita necesitamos necesitar debo debe deben deber voy vas va vamos van ir ido sé
			saber saben dar dan da doy a al ante bajo con contra de del desde durante en entre hacia
			hasta para por según sobre tras y e o u pero si porque como que cuando donde quien pues
			aunque mientras muy más menos mucho mucha muchos muchas poco poca también ya aún todavía
			solo sólo así aquí ahí allí ahora hoy ayer mañana luego después antes siempre bien mal casi
			tan tanto hola buenas buenos días día tardes noches gracias favor perdón vale ok sí semana
			semanas mes meses año años hora horas minuto minutos vez veces tiempo último última pasado
			pasada próximo próxima nuevo nueva nuevos nuevas viejo vieja cosa cosas lunes martes miércoles jueves viernes sábado domingo ayuda ayudar posible`,
	},
	"ru": {
		questions: `как что когда где куда откуда какой какая какое какие какую каком каким кто кого кому чей
			почему зачем отчего сколько чем долго часто почём`,
		negations: `не нет ни никогда ничего никто никак нельзя без нету`,
		numbers: `ноль два две двух три трёх четыре пять шесть семь восемь девять десять двенадцать двадцать тридцать
			пятьдесят сто тысяча второй третий пол`,
		functions: `я мы ты вы он она оно они меня мне мной нас нам нами тебя тебе вас вам вами его ему им
			её ей ею их ими мой моя моё мои моего моей моему мою моим моих твой твоя ваш ваша ваше ваши
			вашего вашей наш наша наше наши нашего нашей свой своя своё свои своего своей свою себя себе
			собой это этот эта эти этого этой этому эту этом тот та то те того той тому ту том тех такой
			такая такое такие весь вся всё все всего всей всем всех каждый сам сама сами другой другая
			другое другие кто-то что-то быть был была было были буду будет будем будут есть могу можем
			может можете могут мочь можно надо нужно нужен нужна нужны хочу хочет хотим хотите хотел
			хотела хотелось делать сделать делаю делает сделал дать дайте дали в во на с со к ко по за
			из от до у о об обо при для про через над под перед между около после и а но или либо если
			чтобы потому так же бы ли ведь уже ещё только даже тоже также очень совсем просто теперь
			сейчас сегодня завтра вчера потом скоро всегда иногда опять снова раз здесь там тут вот ну
			да нет здравствуйте привет добрый доброе день утро вечер дня дней спасибо пожалуйста
			подскажите скажите помогите помочь извините ок неделя недели неделю неделе месяц месяца
			месяцев год года лет час часа часов минут минуты время времени новый новая новое новые
			старый старая старое старые больше меньше много мало понедельник вторник среда среду четверг пятница пятницу суббота субботу воскресенье прошлой прошлом следующий возможно`,
	},
}

// closedWords maps the folded closed-class words of lang to their class; nil
// for a language without a list.
func closedWords(lang string) (words, stemmed map[string]class) {
	c, ok := closedClasses[lang]
	if !ok {
		return nil, nil
	}
	m := make(map[string]class, 300)
	stemmed = make(map[string]class, 200)
	add := func(list string, cl class) {
		for _, w := range strings.Fields(list) {
			for _, t := range tokenize(w) {
				m[t.folded] = cl
				if s, _ := stems(lang, t); len(t.folded) >= 4 && len(s) >= 3 {
					stemmed[s] = cl
				}
			}
		}
	}
	add(c.functions, function)
	add(c.questions, question)
	add(c.numbers, number)
	add(c.negations, negation)
	return m, stemmed
}
