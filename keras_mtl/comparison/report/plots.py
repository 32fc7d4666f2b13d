"""What all plots have in common: the bare layout, and marks for rows that are listed from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence

GREY = "#8a8f98"
"""Of reference lines; to be seen on light and on dark ground."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
CLEAR = "rgba(0,0,0,0)"


def plot(traces: Sequence, *, height: int = 320, x: str = "", y: str = "", **layout):
    """A `plotly.graph_objects.Figure` without title, legend and ground; the page's script gives it the theme's colours.

    Args:
        traces: what is drawn.
        height: pixels.
        x, y: the axes' titles.
        **layout: more of plotly's layout; `xaxis` and `yaxis` add to what is set here.
    """
    import plotly.graph_objects as go

    axis = {"automargin": True, "zeroline": False, "fixedrange": True, "tickfont": {"size": 11}}
    xaxis = {**axis, **layout.pop("xaxis", {})}
    yaxis = {**axis, **layout.pop("yaxis", {})}
    xaxis["title"] = {"text": x, "standoff": 8, "font": {"size": 12}}
    yaxis["title"] = {"text": y, "standoff": 8, "font": {"size": 12}}
    return go.Figure(
        data=list(traces),
        layout={
            "template": "none",
            "height": height,
            "margin": {"l": 46, "r": 14, "t": 8, "b": 42, **layout.pop("margin", {})},
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "font": {"family": FONT, "size": 13},
            "showlegend": False,
            "dragmode": False,
            "hovermode": "closest",
            "xaxis": xaxis,
            "yaxis": yaxis,
            **layout,
        },
    )


def listed(traces: Sequence, titles: Sequence[str], *, x: str, line: int = 48, **layout):
    """A plot of things listed from top to bottom at y = 0, 1, …, each with its title above its mark.

    Titles stand inside of the plot, so that long ones leave it its width on a phone.
    """
    notes = [
        {
            "x": 0, "xref": "paper", "xanchor": "left", "y": index, "yanchor": "bottom", "yshift": 9,
            "text": title, "showarrow": False, "font": {"size": 12}, "align": "left",
        }
        for index, title in enumerate(titles)
    ]  # fmt: skip
    return plot(
        traces,
        height=72 + line * len(titles),
        x=x,
        margin={"l": 8},
        yaxis={"range": [len(titles) - 0.5, -0.85], "showticklabels": False, "showgrid": False, "ticks": ""},
        annotations=[*notes, *layout.pop("annotations", ())],
        **layout,
    )


def vertical(x: float, *, dash: str = "solid") -> dict:
    """A reference line from bottom to top."""
    line = {"color": GREY, "width": 1.5, "dash": dash}
    return {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line}
