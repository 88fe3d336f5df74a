"""The phrases of which notices of web sites and authors' words to their readers consist.

Patterns for a line as a whole, in the form that modou.text.notices.folded gives it: small letters, simplified marks of
the characters that occur here, no white space next to Chinese.
"""

import re
from itertools import groupby

_SITE = r"(?:本站|小说网|文学网|中文网|读书网|阅读网|小说站|贴吧|书友群|qq群|公众号|[a-z0-9]{3,}网)"
_MARKS = r"[。.!,、~…]*"

CHINESE = (
    r"(?:天才)?[一壹]秒钟?(?:记住|记得).*",
    r"请?(?:大家)?(?:一定)?(?:记住|收藏)(?:本站|本书首发)(?:的?(?:最新|永久|首发)?(?:网址|地址|域名).*|[:,!。].*|)",
    r"本章(?:节)?未完(?:[,、:]?(?:请|点|翻|下).{0,20})?|请?(?:点击|翻到|翻)下一[页章](?:继续)?(?:阅读)?.{0,6}",
    r"上一[页章].{0,12}下一[页章].{0,20}",
    r"(?:(?:加入书签|返回目录|返回书页|章节目录|投票推荐|章节报错|推荐本书|上一章|下一章|目录|书架)[^\w]{0,5}){2,8}",
    r"请?加入书签,?方便.{0,20}|.{0,40}(?:作品|小说|连载)尽在.{2,12}",
    r"手机(?:版|用户|端|站).{0,4}(?:请|阅读|浏览|访问|登录).*(?:网址|地址|域名|浏览|阅读|访问|站).*",
    r"手机(?:阅读|访问|浏览)(?:网址|地址|域名|:).*",
    r"(?:看)?(?:本书)?最[新快](?:更新|章节|网址|地址|域名).{0,16}(?:请到|请上|请去|请访问|请登录|就到|就上|尽在|首发于).{0,14}",
    rf"更多.{{0,8}}(?:小说|章节|电子书|内容).{{0,12}}(?:请到|请访问|请关注|就到).{{0,16}}(?:{_SITE}|网|站){_MARKS}",
    r"更多.{0,8}(?:小说|章节|电子书|内容).{0,6}尽在.{0,16}",
    r"(?:如果您?)?喜欢.{1,30}请(?:大家|各位|记得)(?:多多)?(?:收藏|推荐)(?:和?推荐|一下|本书|本站)?(?:[:(,!。].*|)",
    r".{0,40}无弹窗.{0,40}",
    rf".{{0,30}}(?:小说|文学|中文|书屋|书吧|网)网?(?:全网)?更新(?:速度)?(?:全网)?最快{_MARKS}",
    rf"本[书章文]节?(?:来自|由|首发|最快更新|更新最快).{{0,30}}(?:{_SITE}|首发|[网城])(?:首发|整理|制作|提供|发布|下载)?"
    rf"(?:,.{{0,8}}(?:转载|盗版).{{0,6}})?{_MARKS}",
    r"作者有话要?说(?::.*)?|本章共\d+页.{0,12}|防盗章节?(?:[,:].{0,20})?",
    r"(?:请|点击)?下载.{0,8}(?:app|客户端)[,!:].{0,8}(?:看|读|免费|章节|全本).{0,10}",
    r"txt.{0,20}(?:下载|论坛|小说|阅读).{0,20}|(?:电子书|全本小说).{0,12}(?:下载网|下载论坛|尽在).{0,10}",
    rf"欢迎(?:广大|各位)?(?:书友|书迷|读者|您|大家)?们?(?:光临|访问|加入|关注).{{0,12}}{_SITE}.{{0,12}}",
    r"章节(?:报错|错误|内容).{0,8}(?:点此|举报|加载|更新).{0,20}|内容更新后.{0,20}刷新.*|正在手打中.*",
    r".{0,20}转码.{0,10}(?:阅读|页面|退出).{0,20}",
    r".{0,16}(?:书友|读者|讨论|交流|qq)群号?:?\d{5,}.{0,12}",
    r"请?(?:搜索|关注)(?:微信)?公众号.{1,30}",
    r".{0,24}(?:最新章节|全文阅读|txt下载|免费阅读)[,、_|-]?.{0,10}(?:最新章节|全文阅读|txt下载|免费阅读).{0,10}",
)

_PLATFORM = (
    r"(?:web ?novels?|royal ?road|scribble ?hub|wattpad|patreon|light ?novel\w*|\w{3,}novels?\b|novel\w{2,}"
    r"|web ?site|this site|\w{4,} dot (?:com|net|org))"
)
_HELP = (
    r"(?:support|supporting|join|joining|follow|donate|subscribe|subscribing|check out|read ahead|become|visit|want)"
)
_PAGES = r"(?:previous|prev|next|table of contents|toc|index|home)(?: chapter| page)?"
ENGLISH = (
    r"(?:the |this )?(?:source of this )?(?:content|chapter|novel|story|text|book)s? (?:is|was|are|has been|have been)"
    r" (?:taken|stolen|copied|updated|uploaded|sourced|published|posted|translated)(?: first)?"
    rf" (?:from|by|at|on) .{{0,40}}{_PLATFORM}.*",
    rf"(?:the )?source(?: of this (?:content|chapter|story|novel))?(?: is|:) .{{0,40}}{_PLATFORM}.*",
    r"visit .{3,80}? for (?:the |a )?(?:best|better|more|faster|latest|good|great|quality)\b.{0,20}"
    r"(?:novels?|chapters?|reading experience|updates?)\b.*",
    r"if you find any errors? ?\(.*|.*\blet us know <? ?report chapter.*|report chapter.*",
    r"(?:please )?(?:read|find|get|enjoy|check out) (?:the )?(?:latest|newest|most up-to-date|more|authorized|updated"
    rf"|full|next|advance|free)\b.{{0,24}}(?:chapters?|novels?|updates?)\b.{{0,30}}{_PLATFORM}.*",
    r"(?:read|find|get) (?:the )?latest chapters? (?:at|on) .{2,40}\bonly\W*",
    r"(?:please |also,? |if you .{3,50},? |you can |come |consider |to .{3,40}, )?"
    rf"{_HELP}\b.{{0,50}}\b(?:patreon|discord|ko-?fi|paypal)\b.*",
    rf"\W*{_PAGES}\W*[|•·/«»<>←→-]\W*{_PAGES}(?:\W*[|•·/«»<>←→-]\W*{_PAGES})*\W*",
    r"(?:search|google) .{3,60}(?:novel|website).{0,30}(?:google|faster|updates?).*",
)
COPIED = (
    r"\b(?:story|narrative|tale|novel|book|content|text|work|chapter)\b",
    r"\b(?:amazon|royal ?road|scribble ?hub|original (?:site|source|platform|web ?site)|other (?:sites?|platforms?))\b",
    r"\breport (?:any |all )?(?:sightings?|appearances?|instances?|occurrences?|violations?)\b|\breport (?:it|this)\W*$"
    r"|infringement",
    r"author['’]?s (?:consent|permission|approval)|ensure the author"
    r"|without (?:permission|authorization|consent|approval)"
    r"|\b(?:unlawful|illicit|stolen|purloined|misappropriat|pilfer|unauthori[sz]ed)",
)
"""Signs of a warning against copies; three together make one."""
TELLER = r"\b(?:i|he|she|we|his|her|my|our|said)\b"
"""Words of a story, which such a warning does not have."""

_WISHED = r"(?:月票|推荐票|推荐(?=[,、!。~]|$)|订阅|打赏|票票|全订|收藏(?![家品者这那它他她一的了过着]))"
_GIVEN = r"(?:打赏|月票|地雷|手榴弹|霸王票|营养液|盟主|推荐票)"
_ABOUT = (
    r"(?:[一二两三四]更|加更|更新|断更|补更|票|收藏|订阅|书友|读者|打赏|请假|存稿|新书|本书|盟主"
    r"|\b(?:votes?|reviews?|chapters?|patreon|updates?|readers)\b)"
)
_REVIEWED = r"(?:this|the|my|our) (?:story|novel|fiction|chapter|fic)\b"
_ROLE = r"(?:edit(?:or|ed by)|proofread(?:er|ed by)|ed|pr)s?"
AUTHORS = (
    r"作者的话(?::.*)?",
    rf"(?:ps|p\.s\.?)\d*[:. ].*{_ABOUT}.*",
    rf"(?![他她我]).{{0,30}}(?:跪求|拜求|求)(?:一?[波下张点]|各种|个)?{_WISHED}.{{0,40}}",
    rf".{{0,10}}(?:感谢|谢谢).{{1,60}}{_GIVEN}.{{0,30}}",
    r"(?:请|希望|恳请)(?:大家|各位|书友|读者).{0,12}(?:收藏本书|收藏一下|投票|推荐票|月票|订阅|多多支持|支持正版).{0,20}",
    r"(?:a/n|author['’]?s? notes?):.+",
    rf"(?:translat(?:or|ed by)|tl|tlc)s? ?: ?[^.!?:]{{1,40}}(?:\b{_ROLE} ?: ?[^.!?:]{{1,40}})?",
    r"(?:please |don['’]t forget to |remember to ).{0,30}(?:vote|rate|review|follow|favou?rite|comment)"
    rf"(?: and \w+)?(?: for| on| to)? {_REVIEWED}.*",
    r"(?:please |don['’]t forget to |remember to ).{0,30}(?:leave|drop) (?:me )?(?:a |some |your )?"
    r"(?:reviews?|ratings?|comments?|votes?)\b.*|.{0,40}\bpower ?stones\b.{0,40}",
    r".*\bpatreon\b.*\b(?:chapters|ahead|early|advance|support).*|.*\b(?:chapters|ahead|early|advance).*\bpatreon\b.*",
    r"(?:本章完|未完待续|全书完|全文完|全剧终|待续|第.{1,8}[章回卷部][完终])[。.!…~]*",
    r"(?:to be continued|the end|end of (?:chapter|part|book).{0,12})[.!…]*",
)

CALLS = (
    r"天才|请|记住|收藏|欢迎|更多|最新|最快|手机|本书|本章|本文|电子书|txt|访问|关注|下载|搜索|网址|域名|地址|首发|来源|转载"
    r"|喜欢|想看|看|(?:visit|read|find|for more|more|follow|join|support|updated?|source|please|check|get|enjoy|latest"
    r"|original|new novel|(?:this |the )?(?:content|chapter|novel|story|source))\b"
)
"""How a line begins that names an address."""

_ADDRESS = (
    "www http w-w-w com net org .cn .cc .info .tw .me .xyz .la .io .top .vip .example 点c 點c ｗｗ ｃｏｍ ｎｅｔ ｏｒｇ"
)
_NOTICE = (
    "本站 网 網 无弹窗 無彈窗 下一页 下一頁 下一章 未完 书签 书架 目录 手机 手機 最新 最快 请大家 請大家 尽在 txt"
    " 章节 章節 手打 刷新 转码 群 公众号 公眾號 阅读 閱讀 作者 首发 首發 本章 防盗 防盜 下载 下載"
    " chapter novel report patreon discord ko-fi kofi paypal amazon royal search google"
)
_AUTHOR = (
    "作者 票 订阅 訂閱 打赏 打賞 收藏 全订 求推荐 地雷 手榴弹 营养液 盟主 投票 支持 ps p.s ｐｓ 待续 待續 完 终 終 a/n"
    " author translat tl patreon vote rate rating review follow favo comment stones continued end"
)


def _hints(words: str) -> re.Pattern[str]:
    """Any of the hints. They are grouped by their first characters, which is twice as fast as one beside the other."""
    groups = groupby(sorted(words.split()), lambda word: word[0])
    return re.compile("|".join(f"{re.escape(a)}(?:{'|'.join(re.escape(w[1:]) for w in of_it)})" for a, of_it in groups))


ADDRESS_HINTS, NOTICE_HINTS, AUTHOR_HINTS = _hints(_ADDRESS), _hints(f"{_ADDRESS} {_NOTICE}"), _hints(_AUTHOR)
"""One of its hints is a part of every such line in small letters: a cheap test before the patterns."""
