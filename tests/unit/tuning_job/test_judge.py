"""The verdict on a tuned model, from numbers whose meaning is known."""

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from dlsim_ij.tuning_job.judge import FieldScores, StackScore, judge

FIELDS = 20


def fields(gain=0.0, seed=0, spread=0.1):
    """PSNR of fields that differ much, with a gain that differs little."""
    rng = np.random.default_rng(1)
    psnr = rng.normal(28, 3, FIELDS) + gain + np.random.default_rng(seed).normal(0, spread, FIELDS)
    return FieldScores(psnr_db=tuple(psnr), nrmse=tuple(10 ** (-psnr / 20)))


def stack(value=4.0, blocks=(0.0,) * 9, target="wiener", limit=5.0, name="raw"):
    return StackScore(
        stack=name,
        target=target,
        value=value,
        limit=limit,
        frames_rms=1.0,
        finest_image_px=2.0,
        blocks=blocks,
    )


def test_a_gain_that_chance_does_not_explain_is_accepted():
    verdict = judge({"wiener": fields()}, {"wiener": fields(0.3, seed=5)}, [stack()], [stack(4.5)])
    assert verdict.accepted
    gain = verdict.psnr_gain["wiener"]
    assert gain.low > 0
    assert gain.mean == pytest.approx(0.3, abs=0.1)
    assert verdict.nrmse_change["wiener"].high < 0
    assert any("+0." in sentence and "better" in sentence for sentence in verdict.sentences)


@pytest.mark.parametrize("gain", [-0.3, 0.0, 0.01])
def test_no_gain_is_refused_with_its_number(gain):
    verdict = judge({"wiener": fields()}, {"wiener": fields(gain, seed=5)}, [stack()], [stack()])
    assert not verdict.accepted
    assert "not shown to be better" in verdict.sentences[0]


def test_the_same_model_is_refused():
    same = {"wiener": fields()}
    assert not judge(same, same, [stack()], [stack()]).accepted


def test_one_field_proves_nothing():
    one, more = (FieldScores(psnr_db=(p,), nrmse=(0.1,)) for p in (20.0, 25.0))
    assert not judge({"wiener": one}, {"wiener": more}, [stack()], [stack()]).accepted


def test_every_target_must_be_better():
    before = {"wiener": fields(), "object": fields()}
    after = {"wiener": fields(0.5, seed=5), "object": fields(0.0, seed=5)}
    own = [stack(), stack(target="object")]
    verdict = judge(before, after, own, own)
    assert not verdict.accepted
    better, not_better = verdict.sentences[:2]
    assert "not" not in better
    assert "'object'" in not_better


def test_a_stack_whose_frames_now_contradict_is_refused_by_name():
    own_before = [stack(4.0), stack(4.0, name="other")]
    own_after = [stack(4.2), stack(6.0, name="other", blocks=(1.0,) + (0.0,) * 8)]
    verdict = judge({"wiener": fields()}, {"wiener": fields(0.5, seed=5)}, own_before, own_after)
    assert not verdict.accepted
    assert "other: consistent before, contradicted now" in verdict.sentences[-1]


def test_contradictions_that_grow_everywhere_are_refused():
    rng = np.random.default_rng(0)
    blocks = rng.uniform(1, 2, 30)
    own_before, own_after = stack(7.0, tuple(blocks)), stack(8.0, tuple(blocks + rng.uniform(0.5, 1, 30)))
    verdict = judge({"wiener": fields()}, {"wiener": fields(0.5, seed=5)}, [own_before], [own_after])
    assert not verdict.accepted
    assert verdict.contradiction["wiener"].low > 0
    assert "grew" in verdict.sentences[-1]
    fewer = judge({"wiener": fields()}, {"wiener": fields(0.5, seed=5)}, [own_after], [own_before])
    assert fewer.accepted


@hypothesis.given(st.floats(0.01, 5), st.integers(0, 100))
def test_what_is_better_one_way_is_not_the_other_way(gain, seed):
    before = np.array(fields().psnr_db)
    after = before + gain * np.random.default_rng(seed).normal(1, 0.1, FIELDS)
    old, new = ({"wiener": FieldScores(psnr_db=tuple(p), nrmse=tuple(1 / p))} for p in (before, after))
    assert judge(old, new, [stack()], [stack()]).accepted
    assert not judge(new, old, [stack()], [stack()]).accepted


@hypothesis.given(st.floats(-50, 50))
def test_the_level_of_both_does_not_matter(level):
    def moved(scores):
        return {"wiener": dataclasses.replace(scores, psnr_db=tuple(p + level for p in scores.psnr_db))}

    found = judge(moved(fields()), moved(fields(0.2, seed=3)), [stack()], [stack()])
    plain = judge({"wiener": fields()}, {"wiener": fields(0.2, seed=3)}, [stack()], [stack()])
    assert found.accepted == plain.accepted
    assert found.psnr_gain["wiener"].low == pytest.approx(plain.psnr_gain["wiener"].low, abs=1e-9)


def test_a_departure_that_grows_in_one_place_is_named():
    """It need not be decisive: over all blocks the departures have become fewer."""
    before = [stack(7.0, (2.0, 1.0, 1.5) * 4, name="a"), stack(6.0, (1.0,) + (0.5,) * 11, name="b")]
    after = [stack(6.0, (1.0, 0.2, 0.4) * 4, name="a"), stack(9.0, (4.0,) + (0.0,) * 11, name="b")]
    verdict = judge({"wiener": fields()}, {"wiener": fields(0.5, seed=5)}, before, after)
    assert verdict.accepted
    assert "7.0 before, 9.0 now" in verdict.sentences[-1]
    assert "grown in b from 6.0 to 9.0" in verdict.sentences[-1]
    assert " a from" not in verdict.sentences[-1]
