"""Who somebody is, asked of the platforms that say only that; and who was ever live: pure readers, and against the simulator's servers."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulating import World

import connectors
from connectors import rest
from connectors.bluesky.lookup import Profiles
from connectors.connector import Refused, Secret, Throttled, Tools, Unreadable, make_pseudonym
from connectors.mastodon.lookup import Accounts
from connectors.mastodon.timeline import host_of
from connectors.rest import Ask, Reply
from connectors.simulator.helix import CLIENT_ID, CLIENT_SECRET
from connectors.simulator.mastodon import MastodonPlatform
from connectors.simulator.model import SimChannel
from connectors.simulator.platform_bluesky import BlueskyPlatform
from connectors.simulator.platform_twitch import TwitchPlatform
from connectors.simulator.statuses import DOMAIN
from connectors.simulator.telegram import TOKEN as TELEGRAM_TOKEN
from connectors.simulator.telegram import TelegramPlatform
from connectors.telegram.lookup import Chats
from connectors.twitch.history import Archive
from connectors.youtube.history import Uploads
from monitor.asking import Asking
from monitor.roster_ask import Resolver, accounts, fetcher, lived

NOW = datetime(2026, 10, 12, 8, 0, tzinfo=UTC)
CHANNELS = [f"UC{letter * 22}" for letter in "abcdef"]


def options(name, **given_ones):
    return connectors.class_of(name).options(**given_ones)


def telegram(**more):
    return Chats(options("telegram", token=Secret("7:secret"), **more))


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_bluesky_is_asked_for_twenty_five_at_once_without_a_key():
    asked = Profiles(options("bluesky")).resolve([f"name{number}.bsky.social" for number in range(60)])
    assert [len(question.about) for question in asked] == [25, 25, 10]
    assert asked[0].ask.url.startswith(
        "https://public.api.bsky.app/xrpc/app.bsky.actor.getProfiles?actors=name0.bsky.social&actors="
    )


def test_a_mastodon_server_is_asked_for_its_own_people_and_only_ours_is_no_stranger():
    lookup = Accounts(options("mastodon", url="https://mastodon.social", token=Secret("key")))
    own, other = lookup.resolve(["ana@mastodon.social", "bo@toot.example"])
    assert (own.ask.url, own.ask.stranger) == ("https://mastodon.social/api/v1/accounts/lookup?acct=ana", False)
    assert (other.ask.url, other.ask.stranger) == ("https://toot.example/api/v1/accounts/lookup?acct=bo", True)
    assert all("authorization" not in {name.casefold() for name in lookup.signed(one, None).headers} for one in (own, other))
    assert lookup.resolve(["#hashtag"]) == []


def test_telegram_is_asked_for_one_chat_and_its_key_is_in_no_repr():
    (question,) = telegram().resolve(["ana_autos"])
    assert (question.ask.url.endswith("/getChat"), question.ask.body) == (True, b'{"chat_id":"@ana_autos"}')
    assert "secret" not in repr(question)
    assert telegram().recheck(["-100123"])[0].ask.body == b'{"chat_id":"-100123"}'


# --- what is answered -------------------------------------------------------------------------------------------------


def test_bluesky_says_id_name_and_new_handle_and_leaves_out_whom_it_does_not_know():
    lookup = Profiles(options("bluesky"))
    (question,) = lookup.resolve(["ana.bsky.social", "gone.bsky.social", "did:plc:abc", "did:plc:broken"])
    body = b"""{"profiles":[{"did":"did:plc:ana","handle":"Ana.bsky.social","displayName":"Ana"},
        {"did":"did:plc:abc","handle":"new.example.org"}, {"did":"did:plc:broken","handle":"handle.invalid"}, {"handle":7}, 5]}"""
    assert [(one.native_id, one.handle, one.title) for one in lookup.read_resolved(question, body)] == [
        ("did:plc:ana", "ana.bsky.social", "Ana"),
        (None, "", ""),
        ("did:plc:abc", "new.example.org", "new.example.org"),
        ("did:plc:broken", "", ""),  # no new name, and there all the same
    ]


def test_a_mastodon_account_that_moved_is_called_by_its_new_name():
    lookup = Accounts(options("mastodon"))
    (question,) = lookup.resolve(["ana@toot.example"])
    (found,) = lookup.read_resolved(
        question, b'{"username":"Ana","acct":"Ana","display_name":"Ana!","moved":{"acct":"ana@new.example"}}'
    )
    assert (found.native_id, found.handle, found.title) == ("ana@toot.example", "ana@new.example", "Ana!")
    (same,) = lookup.read_resolved(question, b'{"username":"ana","acct":"ana","moved":{"acct":"ana2"}}')
    assert same.handle == "ana2@toot.example"
    with pytest.raises(Unreadable):
        lookup.read_resolved(question, b'{"username":"somebody_else"}')


def test_a_telegram_chat_has_the_id_that_its_messages_carry():
    lookup = telegram()
    (question,) = lookup.resolve(["ana_autos"])
    body = b'{"ok":true,"result":{"id":-1001234,"type":"supergroup","title":"Ana Autos","username":"Ana_Autos"}}'
    (found,) = lookup.read_resolved(question, body)
    assert (found.native_id, found.handle, found.title) == ("-1001234", "ana_autos", "Ana Autos")
    missing = Reply(status=400, body=b'{"ok":false,"description":"Bad Request: chat not found"}')
    assert lookup.says_nothing_there(question, missing)
    assert lookup.read_resolved(question, b"")[0].native_id is None
    assert isinstance(lookup.failure(Reply(status=401), NOW), Refused)
    slow = lookup.failure(Reply(status=429, body=b'{"parameters":{"retry_after":7}}'), NOW)
    assert isinstance(slow, Throttled)
    assert (slow.until - NOW).total_seconds() == 7


@pytest.mark.parametrize(
    "lookup", [Profiles(options("bluesky")), Accounts(options("mastodon")), telegram()], ids=lambda one: one.name
)
@given(
    body=st.binary(max_size=80) | st.sampled_from([b"{}", b"[]", b'{"profiles":7}', b'{"result":[]}', b'{"result":{"id":true}}'])
)
def test_any_answer_is_accounts_or_unreadable(lookup, body):
    (question,) = lookup.resolve(["ana@toot.example" if lookup.name == "mastodon" else "ana.bsky.social"])
    try:
        found = lookup.read_resolved(question, body)
    except Unreadable:
        return
    assert [one.asked for one in found] == list(question.about)


# --- whoever lives on somebody else's server --------------------------------------------------------------------------


def asking(discoverer, answers):
    """Asks this platform; ``answers``: part of the address → (status, body) or a failure. Says what was asked."""
    asked = []

    async def fetch(ask: Ask) -> Reply:
        asked.append(ask.url)
        reply = next(reply for part, reply in answers.items() if part in ask.url)
        if isinstance(reply, Exception):
            raise reply
        return Reply(status=reply[0], body=reply[1])

    return Asking(discoverer, None, fetch, Tools(pseudonym=make_pseudonym(b"k"), now=lambda: NOW)), asked


async def test_a_server_that_does_not_answer_costs_its_own_people_only_and_is_waited_for_once():
    lookup = Accounts(options("mastodon"))
    asker, asked = asking(
        lookup,
        {
            "dead.example": rest.network_failure(TimeoutError()),
            "members.example": (401, b"{}"),
            "toot.example": (200, b'{"username":"cy","display_name":"Cy"}'),
        },
    )
    heard = await accounts(asker, lookup.resolve(["a@dead.example", "b@dead.example", "m@members.example", "cy@toot.example"]))
    assert heard.trouble == ""
    assert heard.accounts["cy@toot.example"].title == "Cy"
    assert "in time" in heard.apart["b@dead.example"]
    assert "members.example does not say it" in heard.apart["m@members.example"]
    assert len([url for url in asked if "dead.example" in url]) == 1


async def test_who_signs_up_makes_us_ask_nobodys_server():
    asker, asked = asking(Accounts(options("mastodon")), {"": (200, b"{}")})
    resolver = Resolver(lambda: None, asker.fetch, asker.tools)
    resolver._askers["mastodon"] = asker
    assert await resolver("mastodon", "ana@evil.example") is None
    assert asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]", "localhost"])
async def test_a_list_cannot_lead_us_into_our_own_network(host):
    async with rest.client() as session:
        with pytest.raises(Refused):
            await fetcher(session, strangers=True)(Ask(url=f"https://{host}/api/v1/accounts/lookup?acct=a", stranger=True))
        with pytest.raises(Refused):
            await fetcher(session)(Ask(url="https://toot.example/api/v1/accounts/lookup?acct=a", stranger=True))


# --- who was ever live ------------------------------------------------------------------------------------------------


def youtube():
    return connectors.discoverer_of("youtube")(options("youtube", api_key=Secret("key")))


def video(number, channel, state):
    details = f',"liveStreamingDetails":{{"actualStartTime":"2026-10-0{number + 1}T10:00:00Z"}}' if state == "live" else ""
    snippet = f'"snippet":{{"channelId":"{channel}","title":"t","liveBroadcastContent":"none"}}'
    return f'{{"id":"video{number:06}",{snippet}{details}}}'


async def test_youtube_shows_whether_the_newest_uploads_were_live_for_little_more_than_a_unit_each():
    history = Uploads(options("youtube", api_key=Secret("key")))
    lists = {
        f"UU{channel[2:]}": (200, f'{{"items":[{{"contentDetails":{{"videoId":"video{number:06}"}}}}]}}'.encode())
        for number, channel in enumerate(CHANNELS[:3])
    }
    rows = ",".join(video(number, channel, "live" if number == 1 else "none") for number, channel in enumerate(CHANNELS[:3]))
    asker, asked = asking(youtube(), {**lists, "UUd": (404, b"{}"), "/videos?": (200, f'{{"items":[{rows}]}}'.encode())})
    was, trouble = await lived(asker, CHANNELS[:4], history)
    assert (was, trouble) == ({CHANNELS[0]: False, CHANNELS[1]: True, CHANNELS[2]: False, CHANNELS[3]: False}, "")
    assert len(asked) == 5 <= history.units(4)


async def test_the_uploads_of_many_channels_fill_whole_questions_and_nobody_is_forgotten():
    history = Uploads(options("youtube", api_key=Secret("key")))
    waiting = history.questions([f"UC{number:022}" for number in range(12)])
    seen, videos = {}, 0
    while waiting:
        question = waiting.pop(0)
        if "/videos?" in question.ask.url:
            videos += 1
            known, more = history.read(question, b'{"items":[]}')
        else:
            ids = ",".join(f'{{"contentDetails":{{"videoId":"v{question.about[0][-4:]}_{number:05}"}}}}' for number in range(10))
            known, more = history.read(question, f'{{"items":[{ids}]}}'.encode())
        seen |= known
        waiting += more
    assert (len(seen), videos) == (12, 3)
    assert 12 + videos == history.units(12)


def archive(**answers):
    """(Twitch's archive, what asks it): answers by user id."""
    history = Archive(options("twitch", client_id=Secret("id"), client_secret=Secret("s")))
    told = {f"user_id={user[1:]}": answer for user, answer in answers.items()}
    login = {"/token": (200, b'{"access_token":"t","expires_in":3600}')}
    return history, asking(connectors.discoverer_of("twitch")(history.opts), login | told)[0]


async def test_twitch_shows_who_keeps_a_recording_and_why_another_need_not():
    history, asker = archive(u77=(200, b'{"data":[{"id":"1"}]}'), u78=(200, b'{"data":[]}'))
    was, trouble = await lived(asker, ["77", "78"], history)
    assert (was, trouble) == ({"77": True, "78": False}, "")
    assert "forgets" in history.none


async def test_what_was_told_before_a_failure_counts():
    history, asker = archive(u77=(200, b'{"data":[]}'), u78=(500, b""))
    was, trouble = await lived(asker, ["77", "78"], history)
    assert (was, "500" in trouble) == ({"77": False}, True)


# --- against the simulator's servers ----------------------------------------------------------------------------------


@asynccontextmanager
async def asked_at(made_by, platform, handles, folder, lookup):
    """(what asks the simulated platform on which these people are)."""
    people = [SimChannel(livestream=f"{platform}:{handle}", platform=platform, handle=handle) for handle in handles]
    async with World(made_by, people, folder).running() as world, rest.client(environment=False) as session:
        made = lookup(world.told)
        yield Asking(made, made.opts, fetcher(session), world.tools()), world


async def test_the_simulated_bluesky_knows_its_people_by_name_and_by_id(tmp_path):
    def lookup(told):
        return Profiles(options("bluesky", directory_url=told["bluesky_directory"]))

    names = [f"name{number}.bsky.social" for number in range(30)]
    async with asked_at(BlueskyPlatform, "bluesky", names, tmp_path, lookup) as (asker, world):
        heard = await accounts(asker, asker.discoverer.resolve([*names, "nobody.bsky.social"]))
        ids = {heard.accounts[name].native_id for name in names}
        assert (len(ids), heard.accounts["nobody.bsky.social"].native_id, heard.trouble) == (30, None, "")
        first = heard.accounts[names[0]].native_id
        world.platform.rename(0, "other.bsky.social")
        again = await accounts(asker, asker.discoverer.recheck([first]))
        assert again.accounts[first].handle == "other.bsky.social"


async def test_the_simulated_telegram_knows_public_chats_and_ids(tmp_path):
    def lookup(told):
        return Chats(options("telegram", url=told["telegram"], token=Secret(TELEGRAM_TOKEN)))

    async with asked_at(TelegramPlatform, "telegram", ["ana_autos", "bo_autos"], tmp_path, lookup) as (asker, _):
        heard = await accounts(asker, asker.discoverer.resolve(["ana_autos", "nobody_here"]))
        number = heard.accounts["ana_autos"].native_id
        assert (number.startswith("-100"), heard.accounts["nobody_here"].native_id, heard.trouble) == (True, None, "")
        assert (await accounts(asker, asker.discoverer.recheck([number]))).accounts[number].handle == "ana_autos"


async def test_the_simulated_mastodon_knows_its_own_people(tmp_path):
    def lookup(told):
        return Accounts(options("mastodon", url=told["mastodon"]))

    async with asked_at(MastodonPlatform, "mastodon", [f"ana@{DOMAIN}"], tmp_path, lookup) as (asker, world):
        server = host_of(world.told["mastodon"])
        heard = await accounts(asker, asker.discoverer.resolve([f"ana@{server}", f"bo@{server}"]))
        assert heard.accounts[f"ana@{server}"].title == "Ana"
        assert (heard.accounts[f"bo@{server}"].native_id, heard.trouble) == (None, "")


async def test_the_simulated_twitch_keeps_recordings_of_who_is_live_only(tmp_path):
    def lookup(told):
        keys = {"client_id": Secret(CLIENT_ID), "client_secret": Secret(CLIENT_SECRET)}
        where = {"helix_url": f"{told['helix']}/helix", "login_url": f"{told['helix']}/oauth2"}
        return connectors.discoverer_of("twitch")(options("twitch", **keys, **where))

    async with asked_at(TwitchPlatform, "twitch", ["ana_s"], tmp_path, lookup) as (asker, _):
        heard = await accounts(asker, asker.discoverer.resolve(["ana_s"]))
        ana = heard.accounts["ana_s"].native_id
        was, trouble = await lived(asker, [ana, "999999999"], Archive(asker.options))
        assert (was[ana], was["999999999"], trouble) == (True, False, "")
