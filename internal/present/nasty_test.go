package present

// nasty are texts that ping somebody on a Mattermost server unless they are
// broken: each has @all, @channel, @alice or @bob where the server reads text.
var nasty = []string{
	"@all", "@channel", "@here and @alice", "Hi @alice, hi @bob!", "@ALL", "@Alice.", "(@alice)", "\"@alice\"", "'@alice'",
	"x.@alice", "x-@alice", "x:@alice", "...@alice...", "_@alice_", "**@alice**", "~~@alice~~", "/@alice", "#@alice", "~@alice", ",@alice",
	"@alice's", "line\n@alice", "line\r\n@alice", "\\@alice", "\\\\@alice", "\u00a0@alice", "😀@alice", "＠@alice",
	"# @alice", "> @alice", "- @alice", "1. @alice", "| a | @alice |", "* * * @alice", "<b>@alice</b>", "<!-- @alice -->", "<div>\n@alice\n</div>",
	"[@alice](https://example.com)", "![@alice](http://127.0.0.1:1/a.png)", "[a](https://example.com) @alice", "[a][b] @alice\n\n[b]: https://example.com",
	"[https://social.example/@alice", "social.example/@alice", "[x https://social.example/@alice", "ftp:/@alice",
	"`code` @alice", "`open @alice", "`a\n\n@alice`", "``a` @alice", "\\`@alice\\`", "http://example.com/` @alice `",
	"www.example.com/` @alice `", "[a]: /u \"`\"\n@alice `x`", "``` ``` @alice", "```\ncode\n```\n@alice", "```\ncode\n``` ```\n@alice\n```",
	"~~~ `\n@alice\n~~~", "~~~\n```\n~~~\n@alice\n```", "````\n```\n````\n@alice", "text\n     ```\n     code\n```\n@alice", "> ```\n@alice", "- ```\n@alice",
	"- ```\n  code\n\n@alice", "# title\n    @alice", "***\n    @alice", "text\n    @alice", "- a\n\n    @alice", "1. a\n\n    @alice", "10. a\n\n    @alice",
	"- a\n \t@alice", "   @alice", "> text\n    @alice", "```\r\ncode\r\n```\r\n@alice", "x\r@alice", "<details>\n\n```\ncode\n```\n\n@alice\n</details>",
	"&lt;@alice&gt;", "&amp;@alice", "a&nbsp;@alice", ":smile: @alice", ":smile:@alice", "w@alice @alice", "https://@alice",
}
