from glibc_guard.github.job import LONGEST_NAME, Job, job_of

ENVIRONMENT = {
    "GITHUB_WORKFLOW_REF": "octo/sample/.github/workflows/build.yml@refs/pull/7/merge",
    "GITHUB_JOB": "wheels",
}


def test_a_job_is_the_same_in_each_run() -> None:
    other = {**ENVIRONMENT, "GITHUB_WORKFLOW_REF": "octo/sample/.github/workflows/build.yml@refs/heads/main"}
    assert job_of(ENVIRONMENT, "null") == job_of(other, "") == Job("octo/sample/.github/workflows/build.yml", "wheels")


def test_jobs_differ_by_workflow_name_matrix_and_check() -> None:
    first = job_of(ENVIRONMENT, '{"os": "ubuntu-24.04", "python": 3.12}')
    others = [
        job_of(ENVIRONMENT, '{"os": "ubuntu-24.04", "python": 3.13}'),
        job_of(ENVIRONMENT, "null"),
        job_of({**ENVIRONMENT, "GITHUB_JOB": "other"}, '{"os": "ubuntu-24.04", "python": 3.12}'),
        job_of({**ENVIRONMENT, "GITHUB_WORKFLOW_REF": "octo/sample/.github/workflows/x.yml@y"}, "null"),
    ]
    keys = {job.key("glibc-guard") for job in (first, *others)} | {first.key("other")}
    assert len(keys) == 6


def test_the_name_of_a_check_run_has_the_values_of_the_matrix() -> None:
    job = job_of(ENVIRONMENT, '{"os": "ubuntu-24.04", "python": 3.12, "fast": true, "extra": {"arch": ["arm64"]}}')
    assert job.check_name("guard") == "guard (ubuntu-24.04, 3.12, true, arm64)"
    named = "guard ubuntu-24.04 3.12 true arm64"
    assert job.check_name(named) == named
    assert job_of(ENVIRONMENT, "null").check_name("guard") == "guard"
    assert len(job.check_name("x" * 999)) == LONGEST_NAME


def test_any_text_is_a_variant() -> None:
    assert job_of(ENVIRONMENT, "the wheels").check_name("guard") == "guard (the wheels)"
    assert job_of(ENVIRONMENT, "7").check_name("guard") == "guard (7)"
    assert job_of(ENVIRONMENT, "[" * 100_000).variant
