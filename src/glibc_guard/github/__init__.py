"""GitHub: a report as annotations, job summary and outputs of a workflow step."""
