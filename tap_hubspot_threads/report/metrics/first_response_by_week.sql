-- First response by week
-- As first_response_by_inbox.sql, by the week in which the contact first wrote, named by its
-- Monday. Answers that come later change the row, so the newest weeks are not final. A week
-- without a question has no row. A question that is dated in the future does not count yet.
WITH place (zone) AS (
    -- The time zone in which weeks begin.
    VALUES ('UTC')
),
questions AS (
    -- The contact's first message in each thread.
    SELECT
        threads.id AS thread,
        MIN(messages."createdAt") AS asked
    FROM threads
    JOIN messages ON messages."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND messages.direction = 'INCOMING'
        AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY threads.id
),
responses AS (
    -- The first answer of a person after that, or null.
    SELECT
        questions.thread,
        questions.asked,
        MIN(answers."createdAt") AS answered
    FROM questions
    LEFT JOIN messages AS answers
        ON answers."conversationsThreadId" = questions.thread
        AND answers.type = 'MESSAGE'
        AND answers.direction = 'OUTGOING'
        AND answers."createdBy" LIKE 'A-%'
        AND answers."createdAt" > questions.asked
    GROUP BY questions.thread, questions.asked
),
waits AS (
    -- The epoch is the same with and without a time zone, and in every session.
    SELECT
        CAST(
            DATE_TRUNC(
                'week',
                TO_TIMESTAMP(EXTRACT(EPOCH FROM responses.asked)) AT TIME ZONE place.zone
            ) AS DATE
        ) AS week,
        (EXTRACT(EPOCH FROM responses.answered) - EXTRACT(EPOCH FROM responses.asked)) / 60
            AS minutes
    FROM responses
    CROSS JOIN place
    WHERE EXTRACT(EPOCH FROM responses.asked) <= EXTRACT(EPOCH FROM CURRENT_TIMESTAMP)
)
SELECT
    week,
    COUNT(*) AS threads,
    COUNT(*) - COUNT(minutes) AS unanswered,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY minutes) AS median_minutes,
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY minutes) AS p90_minutes
FROM waits
GROUP BY week
ORDER BY week;
